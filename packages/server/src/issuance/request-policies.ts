import type { KeyObject } from 'node:crypto';
import { type AttributeValue, type Kind, keyAlgorithmOf, PortcullisError } from '@portcullis/contract';
import { compileRequestPolicy, type RequestFacts, type RequestPolicy } from '../expressions/expressions.ts';
import { parseRequest, requestNames } from '../pki/pki.ts';

/** What proves who asks: a token, the certificate before, one of a factory; or being on the store itself. */
export const ways = ['token', 'renewal', 'factory', 'operator'] as const;

/** Who asks for a client certificate. */
export interface Asking {
  way: (typeof ways)[number];
  /** It came by EST. */
  est: boolean;
  /** Of the subject, as they are, or as they would be once it is there. Looked at only where a policy names one. */
  attributes(): Promise<ReadonlyMap<string, AttributeValue>>;
}

/** What a profile says of who may have a certificate, by kind. */
export type PolicyTexts = Readonly<Partial<Record<Kind, { policy?: string | undefined } | undefined>>>;

export interface AskedOfPolicy {
  subject: string;
  kind: Kind;
  /** PKCS#10 in DER, and the key that was parsed of it. */
  request: Uint8Array;
  key: KeyObject;
  /** How long the certificate would be valid from now on. */
  validMs: number;
  asking: Asking;
}

/** Nothing of a kind that has no policy is looked at. */
export class RequestPolicies {
  readonly #policies: ReadonlyMap<string, RequestPolicy>;
  readonly #refused = new Map<Kind, number>();

  /** @throws {PortcullisError} `config_invalid` */
  constructor(profiles: PolicyTexts) {
    const [problem] = problemsOfPolicies(profiles);
    if (problem)
      throw new PortcullisError('config_invalid', `fleet.yaml: ${problem.path.join('.')}: ${problem.message}`);
    this.#policies = new Map(textsOf(profiles).map(([kind, text]) => [kind, compileRequestPolicy(text)]));
  }

  /** How often each policy said no since the start. */
  refusals(): [Kind, number][] {
    return [...this.#policies.keys()].map((kind) => [kind as Kind, this.#refused.get(kind as Kind) ?? 0]);
  }

  /**
   * What can not be evaluated allows nothing. The message goes to whoever asks, and says nothing of the policy; its cause does.
   * @throws {PortcullisError} `policy_not_met`, `request_malformed`
   */
  async require(asked: AskedOfPolicy): Promise<void> {
    const { subject, kind, asking } = asked;
    const policy = this.#policies.get(kind);
    if (!policy) return;
    const attributes = policy.attributes.length > 0 ? await asking.attributes() : new Map();
    const judged = policy.judge({ ...factsOf(asked), attributes });
    if (judged === 'met') return;
    this.#refused.set(kind, (this.#refused.get(kind) ?? 0) + 1);
    const why = judged === 'not_met' ? 'it is false' : `it can not be evaluated: ${judged.failed}`;
    const words = `"${subject}" gets no certificate: profiles.${kind}.policy of the fleet does not allow it`;
    throw new PortcullisError('policy_not_met', words, { cause: new Error(why) });
  }
}

function factsOf({ subject, kind, request, key, validMs, asking }: AskedOfPolicy): Seen {
  const { way, est } = asking;
  return {
    subject: { id: subject, kind },
    request: {
      ...{ way, est, key: keyNameOf(key), names: requestNames(request) },
      validSeconds: Math.floor(validMs / 1_000),
    },
  };
}

type Seen = Omit<RequestFacts, 'attributes'>;

/** What a policy would say to a request, and what it sees of it. `why`: of a no. @throws {PortcullisError} those of a request, `config_invalid` */
export async function tryPolicy(
  profiles: PolicyTexts,
  asked: Omit<AskedOfPolicy, 'key'>,
): Promise<{ policy: string | null; seen: Seen; why?: string }> {
  const whole = { ...asked, key: parseRequest(asked.request).key };
  const said = { policy: profiles[asked.kind]?.policy ?? null, seen: factsOf(whole) };
  try {
    await new RequestPolicies(profiles).require(whole);
    return said;
  } catch (error) {
    if (!(error instanceof PortcullisError) || error.code !== 'policy_not_met') throw error;
    return { ...said, why: (error.cause as Error).message };
  }
}

/** What is wrong with them, and where in `fleet.yaml`. */
export function problemsOfPolicies(profiles: PolicyTexts): { path: string[]; message: string }[] {
  return textsOf(profiles).flatMap(([kind, text]) => {
    try {
      compileRequestPolicy(text);
      return [];
    } catch (error) {
      return [{ path: ['profiles', kind, 'policy'], message: (error as Error).message }];
    }
  });
}

function textsOf(profiles: PolicyTexts): [string, string][] {
  return Object.entries(profiles).flatMap(([kind, profile]) =>
    profile?.policy === undefined ? [] : [[kind, profile.policy]],
  );
}

/** As the fleet's own algorithms are named, and the others that a request may bring in the same way: `p-384`, `ed25519`, `rsa-3072`. */
export function keyNameOf(key: KeyObject): string {
  const own = keyAlgorithmOf(key);
  if (own) return own;
  const { asymmetricKeyType, asymmetricKeyDetails: { modulusLength } = {} } = key;
  if (asymmetricKeyType === 'ec') return 'p-384';
  return modulusLength === undefined ? String(asymmetricKeyType) : `${asymmetricKeyType}-${modulusLength}`;
}
