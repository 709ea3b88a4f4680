import { createPrivateKey, sign } from 'node:crypto';
import { Confirmed, confirmationBytes, IssuedCredential, RenewalNonce, renewalBytes } from '@portcullis/contract';
import { adoptCredential, type Credential, pendingKey } from './credential.ts';
import { requireOwn } from './enrol.ts';
import { exchange } from './exchange.ts';
import { Link } from './link.ts';
import { makeRequest } from './request.ts';

/**
 * A new key and certificate for the same subject, signed for by the old key, and on disk when this resolves. The old one is
 * superseded only when the new one is confirmed: a crash anywhere leaves a working pair and the same next step.
 * @throws {PortcullisError} `renewal_refused`, `server_not_verified`, `server_unreachable`
 */
export async function renew({ credential, directory }: Renewal): Promise<Credential> {
  const { enrolment, subject } = credential;
  const next = await withLink(credential, async (link) => {
    const key = pendingKey(directory);
    const request = makeRequest(key, subject).toString('base64');
    const nonce = await nonceOf(link, enrolment);
    const signature = signed(credential.key, renewalBytes(nonce, request));
    const asked = { certificate: credential.certificate, request, nonce, signature };
    const issued = await exchange(link, `${enrolment}/v1/renewals`, asked, IssuedCredential);
    return { ...issued, key, unconfirmed: true as const };
  });
  requireOwn(next, subject);
  adoptCredential(directory, next);
  return next;
}

/** The first use of a renewed pair: supersedes the certificate before it. Repeating it does no harm. */
export async function confirm({ credential, directory }: Renewal): Promise<Credential> {
  const { unconfirmed, ...confirmed } = credential;
  if (!unconfirmed) return credential;
  await withLink(credential, async (link) => {
    const nonce = await nonceOf(link, credential.enrolment);
    const signature = signed(credential.key, confirmationBytes(nonce));
    const asked = { certificate: credential.certificate, nonce, signature };
    await exchange(link, `${credential.enrolment}/v1/renewals/confirmation`, asked, Confirmed);
  });
  adoptCredential(directory, confirmed);
  return confirmed;
}

interface Renewal {
  credential: Credential;
  directory: string;
}

async function withLink<T>({ roots, fleet }: Credential, work: (link: Link) => Promise<T>): Promise<T> {
  const link = new Link({ roots, fleet, role: 'authority' });
  try {
    return await work(link);
  } finally {
    link.close();
  }
}

async function nonceOf(link: Link, enrolment: string): Promise<string> {
  return (await exchange(link, `${enrolment}/v1/renewals/nonce`, {}, RenewalNonce)).nonce;
}

function signed(keyPem: string, bytes: Buffer): string {
  return sign('sha256', bytes, createPrivateKey(keyPem)).toString('base64');
}
