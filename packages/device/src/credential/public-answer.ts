import { createHash, verify, type X509Certificate } from 'node:crypto';
import {
  keyAlgorithmOf,
  keyAlgorithms,
  objectIdentifiers,
  PortcullisError,
  PublicAnswer,
  PublicAnswerHeader,
} from '@portcullis/contract';
import { subjectNamesIn } from '../link/subject-names.ts';
import { certificateIn, chainComplaint, isValidAt } from './chain.ts';

export interface PublicTrust {
  /** The fleet's roots in PEM: the only ones that are trusted. */
  roots: string;
  /** Milliseconds since 1970. */
  now: number;
  /** It was kept: whether it is still good is not asked. */
  kept: boolean;
}

export interface VerifiedAnswer {
  answer: PublicAnswer;
  /** The desk that signed it. */
  signer: string;
  /** It is good now. */
  current: boolean;
}

const answerLengthMax = 2 * 1024 * 1024;
/** Clocks differ: an answer may be of a moment that this one has not reached (`clock_too_far_off` allows as much). */
const aheadMsMax = 300_000;

/** A kept answer, as JSON or as its signed form alone. @throws {PortcullisError} `public_answer_not_verified` */
export function verifyPublicAnswer(text: string, trust: PublicTrust): VerifiedAnswer {
  const [head = '', body = '', signature = '', ...rest] = signedPartOf(text).split('.');
  const header = PublicAnswerHeader.safeParse(parseJson(head));
  if (!header.success || rest.length > 0)
    throw notVerified('it is not a public answer that is signed with ES256 or ML-DSA');
  const [signer, issuer] = header.data.x5c.map((der) => certificateIn(Buffer.from(der, 'base64')));
  if (!signer || !issuer) throw notVerified('it came without the certificates of a signer');
  const desk = deskIn(signer);
  const why = chainComplaint(signer, issuer, trust.roots);
  if (why !== undefined) throw notVerified(`the certificate of its signer ${why}`);
  if (!isSigned(signer, { alg: header.data.alg, input: `${head}.${body}`, signature }))
    throw notVerified('its signature is not by the key it names');
  const parsed = PublicAnswer.safeParse(parseJson(body));
  if (!parsed.success) throw notVerified('what is signed does not fit its schema');
  const answer = parsed.data;
  if (answer.iss !== desk.fleet) throw notVerified(`a desk of "${desk.fleet}" speaks for "${answer.iss}"`);
  requireTime(answer, [signer, issuer], trust);
  requireOwnCertificate(answer, trust.roots);
  return { answer, signer: desk.subject, current: trust.now <= answer.exp * 1_000 };
}

/** JSON that says it and holds it signed, or what is signed alone: only that is looked at. */
function signedPartOf(text: string): string {
  if (text.length > answerLengthMax) throw notVerified(`it has more than ${answerLengthMax} characters`);
  const trimmed = text.trim();
  if (!trimmed.startsWith('{')) return trimmed;
  const { jws } = (parse(trimmed) ?? {}) as { jws?: unknown };
  if (typeof jws === 'string') return jws;
  throw notVerified('it has no member "jws"');
}

/** A desk, by a certificate for signing documents: no other one of the fleet signs public answers. */
function deskIn(signer: X509Certificate) {
  const desk = subjectNamesIn(signer.subjectAltName).find(({ kind }) => kind === 'desk');
  const usages: readonly string[] = signer.keyUsage ?? [];
  if (desk && usages.includes(objectIdentifiers.documentSigning)) return desk;
  throw notVerified(
    `it is signed by [${signer.subjectAltName ?? ''}], which is no desk's certificate for public answers`,
  );
}

/** By the key's own algorithm: what the header says is held against it (RFC 8725 §3.1). */
export function isSigned(
  { publicKey: key }: X509Certificate,
  { alg, input, signature }: { alg: string; input: string; signature: string },
): boolean {
  const name = keyAlgorithmOf(key);
  if (!name || keyAlgorithms[name].jose !== alg) return false;
  const { digest } = keyAlgorithms[name];
  // Of ECDSA both numbers, 32 bytes each (RFC 7518 §3.4).
  return verify(digest, Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'));
}

function requireTime({ iat, exp }: PublicAnswer, signers: X509Certificate[], { now, kept }: PublicTrust): void {
  const at = iat * 1_000;
  if (at > now + aheadMsMax)
    throw notVerified(`it is of ${isoOf(at)}, which is still to come (is this machine's clock right?)`);
  if (!signers.every((signer) => isValidAt(signer, at)))
    throw notVerified("its signer's certificate was not valid then");
  if (kept || now <= exp * 1_000) return;
  throw notVerified(
    `it was good until ${isoOf(exp * 1_000)}; ask for a new one, or check what it said then with --kept`,
  );
}

/** What the shipment holds is of the same fleet, where the answer brings its issuer. */
function requireOwnCertificate({ certificate, iss }: PublicAnswer, roots: string): void {
  if (!certificate) return;
  const [leaf, issuer] = certificate.chain.map((der) => certificateIn(Buffer.from(der, 'base64')));
  if (!leaf || createHash('sha256').update(leaf.raw).digest('hex') !== certificate.fingerprint)
    throw notVerified('the certificate in it is not the one that it names');
  const why = issuer && chainComplaint(leaf, issuer, roots);
  if (why !== undefined) throw notVerified(`the certificate in it ${why}`);
  if (!subjectNamesIn(leaf.subjectAltName).some(({ fleet }) => fleet === iss))
    throw notVerified('the certificate in it is of another fleet');
}

const isoOf = (at: number) => new Date(at).toISOString();

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

export const parseJson = (part: string) => parse(Buffer.from(part, 'base64url').toString('utf8'));

const notVerified = (why: string) => new PortcullisError('public_answer_not_verified', why);
