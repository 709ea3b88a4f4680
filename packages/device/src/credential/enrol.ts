import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { IssuedCredential, PortcullisError, parseToken } from '@portcullis/contract';
import { makeDirectory } from '../durable.ts';
import { exchange } from '../link/exchange.ts';
import { Link } from '../link/link.ts';
import { subjectNamesIn } from '../link/subject-names.ts';
import {
  adoptCredential,
  type Credential,
  credentialFileIn,
  hasReplacingKey,
  pendingKey,
  readCredential,
  replacingKey,
} from './credential.ts';
import { moveAside } from './move-aside.ts';
import { makeRequest } from './request.ts';

export interface Enrolment {
  token: string;
  directory: string;
  /** A credential that is there is moved aside, with the readings of its subject. */
  replace?: boolean;
  /** Where the credential before this one is now. */
  onReplaced?: (where: string) => void;
}

/**
 * Turns a token into a credential in `directory`. The key is on disk before anything is asked, so that a lost answer is simply
 * asked for again. The token's root is the only trusted one: nothing is sent to a server that it does not vouch for.
 * @throws {PortcullisError} `usage` (not a token), `credential_exists`, `server_not_verified`, `server_unreachable`, `token_refused`
 */
export async function enrol({ token, directory, replace = false, onReplaced }: Enrolment): Promise<Credential> {
  const { url, subject, secret, roots } = parseToken(token);
  makeDirectory(directory);
  const old = existing(directory);
  if (old && !replace) throw occupied(directory, old);
  // The one before may have been moved aside already, by a try that ended there.
  const key = old || hasReplacingKey(directory) ? replacingKey(directory) : pendingKey(directory);
  const request = makeRequest(key, subject).toString('base64');
  const link = new Link({ roots: roots.map(pemOf).join(''), role: 'authority' });
  try {
    const issued = await exchange(link, `${url}/v1/enrolments`, { secret, request }, IssuedCredential);
    const credential = { ...issued, key };
    requireOwn(credential, subject);
    const aside = old && moveAside(directory, old, credential);
    adoptCredential(directory, credential);
    if (aside !== undefined) onReplaced?.(aside);
    return credential;
  } finally {
    link.close();
  }
}

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
  if (!named || credential.subject !== subject || !leaf.checkPrivateKey(createPrivateKey(credential.key))) {
    throw new PortcullisError(
      'answer_malformed',
      `the certificate that was issued is not one of "${subject}" for this key`,
    );
  }
}

function pemOf(base64: string): string {
  return `-----BEGIN CERTIFICATE-----\n${base64.match(/.{1,64}/g)?.join('\n')}\n-----END CERTIFICATE-----\n`;
}
