import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { IssuedCredential, type KeyAlgorithm, PortcullisError, parseToken, proofBytes } from '@portcullis/contract';
import { makeDirectory } from '../durable.ts';
import { Link } from '../link/link.ts';
import type { Moment } from '../link/moment.ts';
import { withKey } from '../link/private-key.ts';
import { subjectNamesIn } from '../link/subject-names.ts';
import { ask, newChallenge, sha256Hex } from './answer.ts';
import { certificatesIn } from './chain.ts';
import {
  adoptCredential,
  type Credential,
  credentialFileIn,
  hasReplacingKey,
  type KeyHeld,
  pendingKey,
  readCredential,
  replacingKey,
  withKeyTaken,
} from './credential.ts';
import { readKeyFile } from './key-file.ts';
import type { KnownTime } from './known-time.ts';
import { moveAside } from './move-aside.ts';
import { proofKeyOf } from './proof.ts';
import { makeRequest } from './request.ts';
import { requireUsableKey } from './self-test.ts';

export interface Enrolment {
  token: string;
  directory: string;
  /** In PEM, of a key in a TPM: it is tried before anything is asked, and used where it is. Without one a key is made. */
  keyFile?: string | undefined;
  /** A credential that is there is moved aside, with the readings of its subject. */
  replace?: boolean;
  /** Where the credential before this one is now. */
  onReplaced?: (where: string) => void;
  /** What key is made; not given: what the token says. */
  keys?: KeyAlgorithm | undefined;
  /** Where the system's clock may be wrong: then the authority is asked for the time first. */
  time?: KnownTime;
}

/**
 * Turns a token into a credential in `directory`. The key is on disk before anything is asked, so that a lost answer is simply
 * asked for again. The token's root is the only trusted one: nothing is sent to a server that it does not vouch for.
 * The token's secret goes nowhere, and what comes back is the authority's own or is not taken.
 * @throws {PortcullisError} `usage` (not a token), `credential_exists`, `server_not_verified`, `server_unreachable`, `token_refused`,
 * `answer_not_verified`, `key_refused`, `key_unusable`
 */
export async function enrol({
  token,
  directory,
  replace = false,
  onReplaced,
  ...asked
}: Enrolment): Promise<Credential> {
  const { url, others = [], subject, secret, roots, keys: told = 'p-256' } = parseToken(token);
  const { keys, time } = asked;
  const brought = await keyBrought(asked);
  makeDirectory(directory);
  const old = existing(directory);
  if (old && !replace) throw occupied(directory, old);
  // The one before may have been moved aside already, by a try that ended there.
  const keyOf = old || hasReplacingKey(directory) ? replacingKey : pendingKey;
  const trust = { roots: roots.map(pemOf).join('') };
  const addresses = [url, ...others];
  const link = new Link({ ...trust, role: 'enroller', addresses, moment: time?.moment });
  try {
    const authority = () => ({ ...trust, enrolment: url, addresses, floor: firstMoment(trust.roots) });
    const issuedOf = async (held: KeyHeld) => {
      const request = makeRequest(held.key, subject);
      const work = () => issuedFor(link, { ...{ url, secret, trust, request }, moment: time?.moment() });
      return { ...(await (time ? time.withIt(authority, work) : work())), ...held };
    };
    const issuedOfMade = (algorithm: KeyAlgorithm) => issuedOf({ key: keyOf(directory, algorithm) });
    const issued = () => (keys === undefined ? withKeyTaken(told, issuedOfMade) : issuedOfMade(keys));
    const credential = await (brought ? issuedOf(brought) : issued());
    requireOwn(credential, subject);
    const aside = old && moveAside(directory, old, credential);
    adoptCredential(directory, credential);
    if (aside !== undefined) onReplaced?.(aside);
    return credential;
  } finally {
    link.close();
  }
}

/** Before anything is asked. @throws {PortcullisError} `usage`, `key_unusable` */
async function keyBrought({ keyFile, keys }: Pick<Enrolment, 'keyFile' | 'keys'>): Promise<KeyHeld | undefined> {
  if (keyFile === undefined) return undefined;
  if (keys !== undefined)
    throw new PortcullisError('usage', 'no key is made where one is brought; leave out one of the two');
  const brought = readKeyFile(keyFile);
  await requireUsableKey(brought.key);
  return brought;
}

interface Asking {
  url: string;
  secret: string;
  trust: { roots: string };
  request: Buffer;
  moment: Moment | undefined;
}

/** Only a signature by the secret travels, over this request and a challenge that the answer must name. */
function issuedFor(link: Link, { url, secret, trust, request, moment }: Asking): Promise<IssuedCredential> {
  const { proofKey, prove } = proofKeyOf(secret);
  const asked = { purpose: 'enrolment' as const, challenge: newChallenge(), about: sha256Hex(request) };
  const { challenge } = asked;
  const body = { proofKey, challenge, request: request.toString('base64'), signature: prove(proofBytes(asked)) };
  return ask(link, { ...trust, url: `${url}/v1/enrolments`, body, asked, shape: IssuedCredential, moment });
}

/** It is not earlier than when the last of the roots was made. */
const firstMoment = (roots: string) => Math.max(...certificatesIn(roots).map(({ validFromDate }) => +validFromDate));

function existing(directory: string): Credential | undefined {
  const file = credentialFileIn(directory);
  return existsSync(file) ? readCredential(file) : undefined;
}

function occupied(directory: string, { subject, fleet }: Credential): PortcullisError {
  const message = `"${directory}" holds the credential of "${subject}" of "${fleet}"; use another directory, or --replace, which moves it aside`;
  return new PortcullisError('credential_exists', message);
}

/** What was issued must be for this key and this subject, or a later handshake would fail for no visible cause. */
export function requireOwn(credential: Credential, subject: string): void {
  const leaf = new X509Certificate(credential.certificate);
  const named = subjectNamesIn(leaf.subjectAltName).some(
    (name) => name.fleet === credential.fleet && name.kind === credential.kind && name.subject === subject,
  );
  if (!named || credential.subject !== subject || !isFor(leaf, credential.key)) {
    throw new PortcullisError(
      'answer_malformed',
      `the certificate that was issued is not one of "${subject}" for this key`,
    );
  }
}

const isFor = (leaf: X509Certificate, key: string) => withKey(key, (known) => leaf.checkPrivateKey(known));

function pemOf(base64: string): string {
  return `-----BEGIN CERTIFICATE-----\n${base64.match(/.{1,64}/g)?.join('\n')}\n-----END CERTIFICATE-----\n`;
}
