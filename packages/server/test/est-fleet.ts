/** EST in one process, without a desk: what a desk would say of who asks is what a test says. */
import { createPrivateKey, createPublicKey, sign, X509Certificate } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type EstAnswer, type EstRequest, FleetName, TokensRequest } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import { pino } from 'pino';
import type { FleetConfig } from '../src/config/config.ts';
import { openEnrolment } from '../src/enrolment/enrolment.ts';
import { keyChangeBytes } from '../src/enrolment/est/by-certificate.ts';
import { makeFleet, openIssuance } from '../src/issuance/issuance.ts';
import { fileKeys } from '../src/keys/keys.ts';
import { fingerprintOf } from '../src/pki/pki.ts';
import { openRecords } from './records.ts';

export const address = '127.0.0.1';
export const operator = { actor: 'operator-1' };

/** A key with its certificate, DER. */
export interface HeldLeaf {
  key: string;
  der: Buffer;
}

/** `profiles`: what `fleet.yaml` says of them. */
export async function estFleet(context: TestContext, { profiles = {} }: { profiles?: FleetConfig['profiles'] } = {}) {
  const records = await openRecords(context);
  const { directory, store, system } = records;
  // Certificates of others are made by OpenSSL, which knows no other time; they have begun.
  records.clock.now = Date.now() + 3_600_000;
  mkdirSync(join(directory, 'keys'));
  const keys = fileKeys(join(directory, 'keys'));
  await makeFleet({ store, keys, system, fleet: FleetName.parse('fleet-1') });
  const issuance = await openIssuance({ store, keys, system, profiles });
  const urls = { authorityUrl: 'https://localhost:1', enrolmentUrl: 'https://localhost:2', gates: [] };
  const makeSigningKey = () => {
    const key = makeKey();
    return { key, request: makeRequest(key, 'authority') };
  };
  const parts = { ...records, issuance, log: pino({ level: 'silent' }), fleet: 'fleet-1', ...urls };
  const enrolment = openEnrolment({ ...parts, makeKey: makeSigningKey });
  const { est } = enrolment;

  const ask = (operation: EstRequest['operation'], body: Buffer | string, who: Pick<EstRequest, 'basic' | 'chain'>) =>
    est.ask(address, { operation, body: Buffer.from(body).toString('base64'), ...who });
  /** The secret of a token. */
  const token = async (subject: string, more: object = { est: true }): Promise<string> => {
    const asked = TokensRequest.parse({ tokens: [{ subject, kind: 'device', ...more }] });
    return (await enrolment.createTokens(operator, asked)).tokens[0]?.secret as string;
  };
  const enrolled = async (subject: string): Promise<HeldLeaf> => {
    const [key, password] = [makeKey(), await token(subject)];
    const basic = { user: subject, password };
    return { key, der: leafIn(await ask('enrol', makeRequest(key, subject), { basic })) };
  };
  const renew = (held: HeldLeaf, request: Buffer) => ask('renew', request, { chain: [held.der.toString('base64')] });
  const standingOf = async ({ der }: HeldLeaf) => (await records.revocation.find(fingerprintOf(der)))?.standing;
  return { ...records, enrolment, issuance, est, ask, token, enrolled, renew, standingOf };
}

/** The certificate in an answer, as a client reads it: the only one. */
export function leafIn(answer: EstAnswer): Buffer {
  if (answer.state !== 'issued') throw new Error(`the answer is ${answer.state}`);
  const der = Buffer.from(answer.body, 'base64');
  for (let at = der.indexOf(0x30); at >= 0; at = der.indexOf(0x30, at + 1)) {
    const one = certificateAt(der, at);
    if (one) return one;
  }
  throw new Error('there is no certificate in the answer');
}

function certificateAt(bytes: Buffer, at: number): Buffer | undefined {
  if (bytes[at + 1] !== 0x82) return undefined;
  const one = bytes.subarray(at, at + 4 + bytes.readUInt16BE(at + 2));
  try {
    return new X509Certificate(one).raw;
  } catch {
    return undefined;
  }
}

/** What the present key signs for a new one, as a client puts it into its request. */
export function vouched({ key, der }: HeldLeaf, next: string): string {
  const publicKey = createPublicKey(next).export({ type: 'spki', format: 'der' });
  return sign('sha256', keyChangeBytes(fingerprintOf(der), publicKey), createPrivateKey(key)).toString('base64');
}
