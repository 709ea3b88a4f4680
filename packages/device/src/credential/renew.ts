import { createPrivateKey, sign } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import {
  Confirmed,
  confirmationBytes,
  GateList,
  gatesBytes,
  IssuedCredential,
  RenewalNonce,
  renewalBytes,
} from '@portcullis/contract';
import { exchange } from '../link/exchange.ts';
import { Link } from '../link/link.ts';
import { adoptCredential, type Credential, credentialFileIn, pendingKey, writeCredential } from './credential.ts';
import { requireOwn } from './enrol.ts';
import { makeRequest } from './request.ts';

/**
 * A new key and certificate for the same subject, signed for by the old key, and on disk when this resolves. The old one is
 * superseded only when the new one is confirmed: a crash anywhere leaves a working pair and the same next step.
 * @throws {PortcullisError} `renewal_refused`, `server_not_verified`, `server_unreachable`
 */
export async function renew({ credential, directory, signal }: Renewal): Promise<Credential> {
  const { enrolment, subject } = credential;
  const next = await withLink(credential, signal, async (link) => {
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
export async function confirm({ credential, directory, signal }: Renewal): Promise<Credential> {
  const { unconfirmed, ...confirmed } = credential;
  if (!unconfirmed) return credential;
  await withLink(credential, signal, (link) => confirmOver(link, credential));
  adoptCredential(directory, confirmed);
  return confirmed;
}

/** The same pair, with the gates that there are now: on disk too, where they are others. */
export async function findGates({ credential, directory, signal }: Renewal): Promise<Credential> {
  const { gates } = await withLink(credential, signal, (link) => gatesOver(link, credential));
  if (gates.length === 0 || isDeepStrictEqual(gates, credential.gates)) return credential;
  const next = { ...credential, gates };
  writeCredential(credentialFileIn(directory), next);
  return next;
}

interface Renewal {
  credential: Credential;
  directory: string;
  signal?: AbortSignal;
}

async function confirmOver(link: Link, { key, certificate, enrolment }: Credential): Promise<void> {
  const nonce = await nonceOf(link, enrolment);
  const asked = { certificate, nonce, signature: signed(key, confirmationBytes(nonce)) };
  await exchange(link, `${enrolment}/v1/renewals/confirmation`, asked, Confirmed);
}

async function gatesOver(link: Link, { key, certificate, enrolment }: Credential): Promise<GateList> {
  const nonce = await nonceOf(link, enrolment);
  const asked = { certificate, nonce, signature: signed(key, gatesBytes(nonce)) };
  return exchange(link, `${enrolment}/v1/renewals/gates`, asked, GateList);
}

async function withLink<T>(
  { roots, fleet }: Credential,
  signal: AbortSignal | undefined,
  work: (link: Link) => Promise<T>,
): Promise<T> {
  const link = new Link({ roots, fleet, role: 'authority' });
  const close = () => link.close();
  signal?.addEventListener('abort', close);
  try {
    return await work(link);
  } finally {
    signal?.removeEventListener('abort', close);
    link.close();
  }
}

async function nonceOf(link: Link, enrolment: string): Promise<string> {
  return (await exchange(link, `${enrolment}/v1/renewals/nonce`, {}, RenewalNonce)).nonce;
}

function signed(keyPem: string, bytes: Buffer): string {
  return sign('sha256', bytes, createPrivateKey(keyPem)).toString('base64');
}
