/** Devices that renew and confirm at a steady rate, in a process of its own: each over a new connection, as one that had slept. */
import { createHash, createPrivateKey, randomBytes, sign, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { text } from 'node:stream/consumers';
import { type EnrolmentPurpose, proofBytes } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import type { Held } from './renewals.ts';

interface Job {
  /** JSON of who renews. */
  file: string;
  enrolment: string;
  ca: string;
  perSecond: number;
}

export interface Renewed {
  done: number;
  failures: string[];
  milliseconds: number;
  /** Of each device, from its connection to its confirmation. */
  times: number[];
}

type Ask = (path: string, body: object) => Promise<Record<string, string>>;

const sha256Hex = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** What a certificate asks, signed by its key; resolves to what the authority signed. */
async function asked(
  ask: Ask,
  { key, certificate }: Omit<Held, 'subject'>,
  purpose: EnrolmentPurpose,
  pkcs10?: Buffer,
) {
  const { nonce = '' } = await ask('/v1/renewals/nonce', {});
  const challenge = randomBytes(32).toString('base64url');
  const about = sha256Hex(pkcs10 ?? new X509Certificate(certificate).raw);
  const signature = sign('sha256', proofBytes({ purpose, challenge, about }, nonce), createPrivateKey(key));
  const body = { certificate, nonce, challenge, signature: signature.toString('base64') };
  const path = purpose === 'renewal' ? '/v1/renewals' : '/v1/renewals/confirmation';
  const { payload = '' } = await ask(path, { ...body, ...(pkcs10 && { request: pkcs10.toString('base64') }) });
  return JSON.parse(Buffer.from(payload, 'base64').toString()) as Record<string, string>;
}

async function renewOne({ enrolment, ca }: Job, held: Held): Promise<void> {
  const agent = new Agent({ ca, keepAlive: true, maxSockets: 1, maxCachedSessions: 0, minVersion: 'TLSv1.3' });
  const ask: Ask = async (path, body) => {
    const sent = request(`${enrolment}${path}`, {
      agent,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
    });
    const answered = new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
      sent.on('response', resolve).on('error', reject);
    });
    sent.end(JSON.stringify(body));
    const answer = await answered;
    const told = await text(answer);
    if (answer.statusCode !== 200) throw new Error(`${answer.statusCode} ${told.slice(0, 200)}`);
    return JSON.parse(told) as Record<string, string>;
  };
  try {
    const key = makeKey();
    const { certificate = '' } = await asked(ask, held, 'renewal', makeRequest(key, held.subject));
    await asked(ask, { key, certificate }, 'confirmation');
  } finally {
    agent.destroy();
  }
}

async function run(job: Job): Promise<Renewed> {
  const all = JSON.parse(readFileSync(job.file, 'utf8')) as Held[];
  const renewed: Renewed = { done: 0, failures: [], milliseconds: 0, times: [] };
  const begun = performance.now();
  const one = async (held: Held, index: number) => {
    // By the clock and not by the answers: who is late does not hold up the next.
    await new Promise((resolve) =>
      setTimeout(resolve, Math.max(0, begun + (index / job.perSecond) * 1_000 - performance.now())),
    );
    const from = performance.now();
    try {
      await renewOne(job, held);
      renewed.done++;
      renewed.times.push(performance.now() - from);
    } catch (error) {
      renewed.failures.push((error as Error).message);
    }
  };
  await Promise.all(all.map(one));
  return { ...renewed, milliseconds: performance.now() - begun };
}

process.once('message', (job: Job) => {
  void run(job).then((done) => process.send?.(done));
});
