/** `sealing-sensor.ts PEMS FILE STREAM JSON`: README.md says more. */
import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { StreamName } from '@portcullis/contract';
import { makeSeal, openAcknowledgement, sealNameOf } from '@portcullis/device/seal';

const [pems, file, stream, data] = process.argv.slice(2);
if (!pems || !file || !stream) {
  console.error('usage: sealing-sensor.ts PEMS FILE STREAM [JSON]');
  process.exit(2);
}
const pem = (name: string) => readFileSync(join(pems, name), 'utf8');
const certificate = new X509Certificate(pem('cert.pem'));
const signer = { key: createPrivateKey(pem('key.pem')), certificate: certificate.raw, brings: true };
const [, fleet = ''] = /URI:spiffe:\/\/([^/]+)\//.exec(certificate.subjectAltName ?? '') ?? [];

/** All that the sensor remembers: its run, the last number that it gave, and what no gate has acknowledged yet. */
interface Memory {
  run: string;
  last: number;
  waiting: { seq: number; time: number; data: string }[];
}

const memory: Memory = existsSync(file)
  ? (JSON.parse(readFileSync(file, 'utf8')) as Memory)
  : { run: randomBytes(6).toString('base64url'), last: 0, waiting: [] };

/** Whole or not at all, and before anything of it is on the line. */
function remember(): void {
  rmSync(`${file}.next`, { force: true });
  writeFileSync(`${file}.next`, JSON.stringify(memory), { flush: true, mode: 0o600 });
  renameSync(`${file}.next`, file as string);
}

if (data !== undefined) {
  memory.last++;
  memory.waiting.push({ seq: memory.last, time: Date.now(), data });
  remember();
}

const sent = new Map<string, number>();
for (const { seq, time, data: reading } of memory.waiting) {
  const members = { stream: stream as StreamName, run: memory.run, seq, time };
  const seal = makeSeal('jws', signer, { ...members, payload: Buffer.from(reading) });
  sent.set(sealNameOf(seal), seq);
  process.stdout.write(`${stream} ${seal.toString()}\n`);
}

/** The other side may say what it likes: what is no gate's signature on one of these seals is not even a line. */
const since = Date.now();
const line = createInterface({ input: process.stdin });
line.on('line', (answer) => {
  try {
    const trust = { roots: pem('root.pem'), fleet, now: Date.now(), since };
    const said = openAcknowledgement(Buffer.from(answer), 'jws', trust);
    if (said.stream !== stream) throw new Error(`it is for the stream "${said.stream}"`);
    for (const verdict of said.seals) settle(verdict.seal, verdict.verdict === 'admitted' ? 'stored' : verdict.reason);
  } catch (error) {
    console.error(`not believed: ${(error as Error).message}`);
  }
});
line.once('close', () => {
  console.error(`${memory.waiting.length} waiting`);
  process.exitCode = memory.waiting.length === 0 ? 0 : 1;
  process.stdin.destroy();
});
if (sent.size === 0) line.close();

function settle(name: string, outcome: string): void {
  const seq = sent.get(name);
  if (seq === undefined) return;
  console.error(`${seq}: ${outcome}`);
  if (outcome !== 'stored') return;
  sent.delete(name);
  memory.waiting = memory.waiting.filter((one) => one.seq !== seq);
  remember();
  if (sent.size === 0) line.close();
}
