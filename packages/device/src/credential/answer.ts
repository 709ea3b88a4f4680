import { createHash, verify, type X509Certificate } from 'node:crypto';
import { Asked, answerBytes, digestOf, PortcullisError, SignedAnswer } from '@portcullis/contract';
import { exchange } from '../link/exchange.ts';
import type { Link } from '../link/link.ts';
import { areValidWithin, type Moment } from '../link/moment.ts';
import { isByTpm, keyFailure } from '../link/private-key.ts';
import { subjectNamesIn } from '../link/subject-names.ts';
import { realSystem, type System } from '../system.ts';
import { certificateIn, chainComplaint } from './chain.ts';

export interface AnswerTrust {
  /** The fleet's roots in PEM: the only ones that are trusted. */
  roots: string;
  /** Given: the signer must be of this fleet. */
  fleet?: string | undefined;
}

interface Shape<Value> {
  safeParse(value: unknown): { success: true; data: Value } | { success: false };
}

export interface Question<Value> extends AnswerTrust {
  url: string;
  body: object;
  asked: Asked;
  shape: Shape<Value>;
  /** What the signer is judged by; undefined: the system's clock. */
  moment?: Moment | undefined;
}

export const newChallenge = (system: System = realSystem) => system.random(32).toString('base64url');

export const sha256Hex = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/**
 * What the authority itself answered to this very question. Who carries it (a desk, or somebody who took one over) can withhold it
 * and can change nothing. @throws {PortcullisError} `answer_not_verified`, and those of `exchange`
 */
export async function ask<Value>(
  link: Link,
  { url, body, asked, shape, moment, ...trust }: Question<Value>,
): Promise<Value> {
  const answer = await exchange(link, url, body, SignedAnswer).catch((error: unknown) => {
    // 200 and no signature: of another, or of an authority that is older than this device.
    if (!(error instanceof PortcullisError) || error.code !== 'answer_malformed') throw error;
    throw new PortcullisError('answer_malformed', `${error.message}: a signed answer is expected`, { cause: error });
  });
  const parsed = shape.safeParse(verifiedPayload(answer, asked, trust, moment));
  if (parsed.success) return parsed.data;
  throw new PortcullisError('answer_malformed', `what the authority signed at ${url} does not fit its schema`);
}

/** @throws {PortcullisError} `answer_not_verified` */
export function verifiedPayload(
  answer: SignedAnswer,
  asked: Asked,
  { roots, fleet }: AnswerTrust,
  moment: Moment = { from: realSystem.now(), until: realSystem.now() },
): unknown {
  const [signer, issuer] = [certificateIn(answer.signer), certificateIn(answer.signerIssuer)];
  if (!signer || !issuer) throw notVerified('it came without the certificates of a signer');
  const complaint = signerComplaint(signer, issuer, { roots, fleet }, moment);
  if (complaint !== undefined) throw notVerified(complaint);
  const payload = Buffer.from(answer.payload, 'base64');
  if (!isSigned(signer, payload, answer.signature)) throw notVerified('its signature is not by the key it names');
  const told = parseJson(payload);
  const named = Asked.safeParse(told);
  if (!named.success) throw notVerified('it does not say what it answers');
  for (const member of ['purpose', 'challenge', 'about'] as const) {
    if (named.data[member] !== asked[member]) throw notVerified(`it answers another question: its ${member} differs`);
  }
  return told;
}

/** Root → issuer → signer, both valid together within the moment, with the authority's role: no other certificate of the fleet signs answers. */
function signerComplaint(
  signer: X509Certificate,
  issuer: X509Certificate,
  { roots, fleet }: AnswerTrust,
  moment: Moment,
): string | undefined {
  // Node 22 reads a chain of ML-DSA, and checks nothing else with a key of it.
  if (signer.publicKey.asymmetricKeyType === undefined)
    return `its signer's key is of a kind that Node ${process.versions.node} knows nothing of; Node 24 may`;
  const names = subjectNamesIn(signer.subjectAltName);
  if (!names.some((name) => name.kind === 'authority' && (fleet === undefined || name.fleet === fleet))) {
    return `it is signed by [${signer.subjectAltName ?? ''}], which is not the fleet's authority`;
  }
  const why = chainComplaint(signer, issuer, roots);
  if (why !== undefined) return `the certificate of its signer ${why}`;
  return areValidWithin([signer, issuer], moment)
    ? undefined
    : "its signer's certificate is not valid now (is this machine's clock right?)";
}

function isSigned(signer: X509Certificate, payload: Buffer, signature: string): boolean {
  try {
    return verify(digestOf(signer.publicKey), answerBytes(payload), signer.publicKey, Buffer.from(signature, 'base64'));
  } catch (error) {
    if (isByTpm(error)) throw keyFailure(error, true);
    return false;
  }
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}

const notVerified = (why: string) =>
  new PortcullisError('answer_not_verified', `${why}; nothing of the answer was taken`);
