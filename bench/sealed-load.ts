/** A gateway of a bench, in a process of its own: makes seals, says that they are ready, and carries them when it is told. Run by `fork`. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { buffer } from 'node:stream/consumers';
import { type SealedAcknowledgement, type SealForm, StreamName, sealMediaTypes } from '@portcullis/contract';
import { bodyOf, makeSeal, messagesIn } from '@portcullis/device/seal';

export interface SealedJob {
  port: number;
  form: SealForm;
  /** Of the gateway, and of the device that seals. */
  carrierPem: string;
  signerPem: string;
  connections: number;
  requests: number;
  sealsPerRequest: number;
  readingsPerSeal: number;
}

export interface SealedDone {
  readings: number;
  milliseconds: number;
}

const stream = StreamName.parse('telemetry');
const fileIn = (pem: string, name: string) => readFileSync(`${pem}/${name}`);

function bodiesOf({ form, signerPem, requests, sealsPerRequest, readingsPerSeal }: SealedJob): Buffer[] {
  const certificate = new X509Certificate(fileIn(signerPem, 'cert.pem')).raw;
  const signer = { key: createPrivateKey(fileIn(signerPem, 'key.pem')), certificate };
  const run = `r${process.hrtime.bigint()}`;
  let last = 0;
  const seal = () => {
    const lines = Array.from(
      { length: readingsPerSeal },
      () => `{"_id":"${run}-${++last}","temperature":21.5,"humidity":40}`,
    );
    const members = { stream, run, seq: last - readingsPerSeal + 1, time: Date.now() };
    return makeSeal(form, signer, { ...members, payload: Buffer.from(lines.join('\n')) });
  };
  return Array.from({ length: requests }, () => bodyOf(Array.from({ length: sealsPerRequest }, seal), form));
}

/** How many of its readings a gate signed for. */
function admittedIn(answer: Buffer, form: SealForm): number {
  return messagesIn(answer, form)
    .map((one) => one.toString('latin1').split('.')[1] ?? '')
    .map((payload) => JSON.parse(Buffer.from(payload, 'base64url').toString()) as SealedAcknowledgement)
    .flatMap(({ seals }) => seals)
    .reduce((sum, one) => sum + (one.verdict === 'admitted' ? one.readings : 0), 0);
}

async function carry({ port, form, carrierPem, connections }: SealedJob, bodies: Buffer[]): Promise<SealedDone> {
  const [key, cert, ca] = ['key.pem', 'cert.pem', 'root.pem'].map((name) => fileIn(carrierPem, name));
  const agent = new Agent({ keepAlive: true, maxSockets: connections, key, cert, ca, host: 'localhost' });
  const done = { readings: 0, milliseconds: 0 };
  const begun = performance.now();
  const client = async () => {
    for (let body = bodies.pop(); body; body = bodies.pop()) {
      const headers = { 'content-type': sealMediaTypes[form], 'content-length': body.length };
      const path = `/v1/streams/${stream}/sealed`;
      const sent = request({ host: 'localhost', port, agent, method: 'POST', path, headers });
      sent.end(body);
      const [answer] = (await once(sent, 'response')) as [import('node:http').IncomingMessage];
      const bytes = await buffer(answer);
      if (answer.statusCode !== 200) throw new Error(`the gate answered ${answer.statusCode} ${bytes.toString()}`);
      done.readings += admittedIn(bytes, form);
    }
  };
  await Promise.all(Array.from({ length: connections }, client));
  agent.destroy();
  return { ...done, milliseconds: performance.now() - begun };
}

process.once('message', (job: SealedJob) => {
  const bodies = bodiesOf(job);
  process.send?.('ready');
  process.once('message', () => {
    void carry(job, bodies).then((done) => process.send?.(done));
  });
});
