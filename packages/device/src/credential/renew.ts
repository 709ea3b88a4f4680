import { X509Certificate } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import {
  Confirmed,
  type EnrolmentPurpose,
  enrolmentsOf,
  GateList,
  IssuedCredential,
  PortcullisError,
  proofBytes,
  RenewalNonce,
} from '@portcullis/contract';
import { exchange } from '../link/exchange.ts';
import { Link } from '../link/link.ts';
import { signatureWith } from '../link/private-key.ts';
import { ask, newChallenge, type Question, sha256Hex } from './answer.ts';
import {
  adoptCredential,
  beforeRenewal,
  type Credential,
  credentialFileIn,
  type KeyHeld,
  pairOf,
  pendingKey,
  withKeyTaken,
  writeCredential,
} from './credential.ts';
import { requireOwn } from './enrol.ts';
import type { KnownTime } from './known-time.ts';
import { algorithmOfKey, makeRequest } from './request.ts';

/**
 * A new key, of the same algorithm for as long as that is taken, and certificate for the same subject, signed for by the old key, and on
 * disk beside the old pair when this resolves. A key in a TPM is renewed as it is: nobody but its owner makes another. The
 * old one is superseded only when the new one is confirmed: a crash anywhere leaves a working pair and the same next step.
 * An authority that lost a confirmation, as by a restore, is told it once more.
 * @throws {PortcullisError} `renewal_refused`, `certificate_unknown`, `server_not_verified`, `server_unreachable`, `answer_not_verified`
 */
export async function renew(renewal: Renewal): Promise<Credential> {
  const { key, keyFile } = renewal.credential;
  if (keyFile !== undefined) return kept(await renewFor({ key, keyFile }, renewal), renewal);
  const algorithm = algorithmOfKey(key) ?? 'p-256';
  const next = withKeyTaken(algorithm, (one) => renewFor({ key: pendingKey(renewal.directory, one) }, renewal));
  return kept(await next, renewal);
}

/**
 * Of an unconfirmed pair that the authority does not know, as after a restore or where its last changes were lost: by the pair before it, and for the
 * same key. One that does know it answers with the same certificate.
 * @throws {PortcullisError} as `renew`
 */
export async function renewAgain(renewal: Renewal): Promise<Credential> {
  const { key, keyFile } = renewal.credential;
  const before = { ...renewal, credential: beforeRenewal(renewal.credential) };
  return kept(await renewFor({ key, ...(keyFile !== undefined && { keyFile }) }, before), before);
}

/** Whether the authority says that it has no record of this pair; false where it could not be asked. */
export async function isUnknown(renewal: Renewal): Promise<boolean> {
  return askGates(renewal).then(
    () => false,
    (error: unknown) => hasCode(error, 'certificate_unknown'),
  );
}

const hasCode = (error: unknown, code: string) => error instanceof PortcullisError && error.code === code;

async function renewFor(held: KeyHeld, renewal: Renewal): Promise<Credential> {
  try {
    return await askRenewal(held, renewal);
  } catch (error) {
    if (!hasCode(error, 'renewal_unconfirmed')) throw error;
    await tellConfirmed(renewal);
    return askRenewal(held, renewal);
  }
}

function askRenewal(held: KeyHeld, { credential, signal, time }: Renewal): Promise<Credential> {
  return withLink(credential, { signal, time }, async (link) => {
    const issued = await askWith(link, credential, {
      purpose: 'renewal',
      path: '/v1/renewals',
      request: makeRequest(held.key, credential.subject),
      shape: IssuedCredential,
      moment: time?.moment(),
    });
    return { ...issued, ...held, unconfirmed: true as const, previous: pairOf(credential) };
  });
}

function kept(next: Credential, { credential, directory }: Renewal): Credential {
  requireOwn(next, credential.subject);
  adoptCredential(directory, next);
  return next;
}

/** The first use of a renewed pair: supersedes the certificate before it. Repeating it does no harm. */
export async function confirm({ credential, directory, signal, time }: Renewal): Promise<Credential> {
  const { unconfirmed, previous: _previous, ...confirmed } = credential;
  if (!unconfirmed) return credential;
  await tellConfirmed({ credential, directory, signal, time });
  adoptCredential(directory, confirmed);
  return confirmed;
}

function tellConfirmed({ credential, signal, time }: Renewal): Promise<unknown> {
  return withLink(credential, { signal, time }, (link) =>
    askWith(link, credential, {
      ...{ purpose: 'confirmation', path: '/v1/renewals/confirmation', shape: Confirmed },
      moment: time?.moment(),
    }),
  );
}

/** The same pair, with the gates that there are now: on disk too, where they are others. */
export async function findGates(renewal: Renewal): Promise<Credential> {
  const { credential, directory } = renewal;
  const { gates, mqttGates, addresses } = await askGates(renewal);
  const { addresses: _, ...held } = credential;
  const next = { ...held, gates, ...(mqttGates && { mqttGates }), ...(addresses && { addresses }) };
  if (gates.length === 0 || isDeepStrictEqual(next, credential)) return credential;
  writeCredential(credentialFileIn(directory), next);
  return next;
}

function askGates({ credential, signal, time }: Renewal): Promise<GateList> {
  return withLink(credential, { signal, time }, (link) =>
    askWith(link, credential, {
      ...{ purpose: 'gates', path: '/v1/renewals/gates', shape: GateList },
      moment: time?.moment(),
    }),
  );
}

export interface Renewal {
  credential: Credential;
  directory: string;
  signal?: AbortSignal | undefined;
  /** Where the system's clock may be wrong. */
  time?: KnownTime | undefined;
}

interface Wanted<Value> extends Pick<Question<Value>, 'shape' | 'moment'> {
  purpose: EnrolmentPurpose;
  path: string;
  request?: Buffer;
}

/** Signed by the key of this credential over a nonce of the server, a challenge of ours, and what it is about. */
async function askWith<Value>(
  link: Link,
  { key, certificate, enrolment, roots, fleet }: Credential,
  { purpose, path, request, shape, moment }: Wanted<Value>,
): Promise<Value> {
  const { nonce } = await exchange(link, `${enrolment}/v1/renewals/nonce`, {}, RenewalNonce);
  const about = sha256Hex(request ?? new X509Certificate(certificate).raw);
  const asked = { purpose, challenge: newChallenge(), about };
  const signature = signatureWith(key, proofBytes(asked, nonce)).toString('base64');
  const body = {
    ...{ certificate, nonce, challenge: asked.challenge, signature },
    ...(request && { request: request.toString('base64') }),
  };
  return ask(link, { url: `${enrolment}${path}`, body, asked, shape, moment, roots, fleet });
}

async function withLink<T>(
  credential: Credential,
  { signal, time }: Pick<Renewal, 'signal' | 'time'>,
  work: (link: Link) => Promise<T>,
): Promise<T> {
  const { roots, fleet } = credential;
  const link = new Link({ roots, fleet, role: 'enroller', addresses: enrolmentsOf(credential), moment: time?.moment });
  const close = () => link.close();
  signal?.addEventListener('abort', close);
  try {
    return await work(link);
  } finally {
    signal?.removeEventListener('abort', close);
    link.close();
  }
}
