import { createPrivateKey, X509Certificate } from 'node:crypto';
import { IssuedCredential, PortcullisError, parseToken } from '@portcullis/contract';
import { makeDirectory } from '../durable.ts';
import { exchange } from '../link/exchange.ts';
import { Link } from '../link/link.ts';
import { subjectNamesIn } from '../link/subject-names.ts';
import { adoptCredential, type Credential, pendingKey } from './credential.ts';
import { makeRequest } from './request.ts';

/**
 * Turns a token into a credential in `directory`. The key is on disk before anything is asked, so that a lost answer is simply
 * asked for again. The token's root is the only trusted one: nothing is sent to a server that it does not vouch for.
 * @throws {PortcullisError} `usage` (not a token), `server_not_verified`, `server_unreachable`, `token_refused`
 */
export async function enrol({ token, directory }: { token: string; directory: string }): Promise<Credential> {
  const { url, subject, secret, roots } = parseToken(token);
  makeDirectory(directory);
  const key = pendingKey(directory);
  const request = makeRequest(key, subject).toString('base64');
  const link = new Link({ roots: roots.map(pemOf).join(''), role: 'authority' });
  try {
    const issued = await exchange(link, `${url}/v1/enrolments`, { secret, request }, IssuedCredential);
    const credential = { ...issued, key };
    requireOwn(credential, subject);
    adoptCredential(directory, credential);
    return credential;
  } finally {
    link.close();
  }
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
