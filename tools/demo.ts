/**
 * `npm run demo`: the story told by itself, on free ports and a fleet that is removed afterwards. The exit status is 0 only if
 * every step was seen.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Receipt, VerdictView } from '@portcullis/contract';
import { findModules, useCompileCache } from '@portcullis/device/quick-start';
import { finished, freeBasePort, Running, succeeded } from './commands.ts';

useCompileCache();
findModules({ source: true });
const { within } = await import('./within.ts');

const home = mkdtempSync(join(tmpdir(), 'portcullis-demo-'));
const fleet = join(home, 'fleet');
const device = join(home, 'device');
const started = performance.now();
const house: Running[] = [];

function seen(words: string): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(5);
  process.stdout.write(`${seconds} s  ${words}\n`);
}

function must(condition: boolean, words: string): void {
  if (!condition) throw new Error(`not seen: ${words}`);
}

interface Reading {
  id: string;
  receivedAt: string;
  deviceTime: string;
}

async function readings(): Promise<Reading[]> {
  const out = await within('readings', 'telemetry', '--json', '--fleet', fleet);
  return out === '' ? [] : out.split('\n').map((line) => JSON.parse(line) as Reading);
}

async function change(status: string): Promise<Receipt> {
  const words = ['attribute', 'set', 'truck-17', `status=${status}`, '--wait', '--json', '--fleet', fleet];
  return JSON.parse(await within(...words, '--reason', 'the demo')) as Receipt;
}

async function tell(): Promise<void> {
  const basePort = await freeBasePort();
  await within('init', fleet, '--base-port', String(basePort));
  const up = new Running('portcullis', 'up', fleet);
  house.push(up);
  await Promise.all(['authority', 'gate', 'desk'].map((role) => up.line(new RegExp(`^${role} listening`))));
  seen(`a fleet is made; its authority, gate and desk listen on ports from ${basePort}`);

  const watching = new Running('portcullis', 'watch', '--json', '--fleet', fleet);
  house.push(watching);
  const token = await within('token', 'create', 'truck-17', '--fleet', fleet);
  await succeeded('portcullis-device', 'enrol', token, '--device', device);
  seen('truck-17 made its key, verified who answered at the desk, and has a certificate');

  const sending = new Running('portcullis-device', 'run', '--metrics', '--interval', '0.2', '--device', device);
  house.push(sending);
  await watching.line(/"verdict":"admitted"/);
  seen('admitted: its readings are judged and stored');

  const off = await change('off');
  must(off.confirmed, 'a confirmed receipt');
  seen(`status=off: in force at every gate after ${off.elapsedMs} ms (revision ${off.revision})`);
  must((off.connectionsClosed ?? 0) >= 1, 'its open connection closed');
  seen(`its open connection was closed (${off.connectionsClosed})`);
  const before = (await readings()).length;

  const refused = JSON.parse(await watching.line(/"verdict":"refused"/)) as VerdictView;
  must(refused.reason === 'attribute_not_expected', 'a refusal with its reason');
  const { expected, found } = refused;
  seen(`refused: ${refused.reason}, expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`);
  const explained = await within('explain', 'truck-17', '--json', '--fleet', fleet);
  must((JSON.parse(explained) as VerdictView).verdict === 'refused', 'explain says refused');
  must((await readings()).length === before, 'nothing stored while refused');
  seen(`nothing is stored while it is refused (${before} readings, as before); the device keeps what it measures`);

  const on = await change('active');
  must(on.confirmed, 'a confirmed receipt');
  seen(`status=active: in force at every gate after ${on.elapsedMs} ms (revision ${on.revision})`);
  await untilMore(before);
  seen('admitted again');
  await finish(sending);
}

/** A device that was refused asks again after a pause, which grows. */
const moreMsMax = 20_000;
const lookMs = 50;

async function untilMore(before: number): Promise<void> {
  for (const end = performance.now() + moreMsMax; performance.now() < end; await pause(lookMs)) {
    if ((await readings()).length > before) return;
  }
  throw new Error('not seen: readings after the way is open again');
}

/** The device stops measuring; what it still holds is sent; then every reading must be there, once, without a gap. */
async function finish(sending: Running): Promise<void> {
  await sending.stop();
  const rest = await finished('portcullis-device', 'send', 'telemetry', '/dev/null', '--json', '--device', device);
  must(rest.status === 0 && (JSON.parse(rest.out) as { kept: number }).kept === 0, 'an empty outbox');
  const stored = await readings();
  must(new Set(stored.map(({ id }) => id)).size === stored.length, 'every reading once');
  const times = stored.map(({ deviceTime }) => Date.parse(deviceTime)).toSorted((a, b) => a - b);
  const widest = Math.max(...times.slice(1).map((time, index) => time - (times[index] as number)));
  must(widest < 2_000, `no gap in the device's times (the widest is ${widest} ms)`);
  seen(`all ${stored.length} readings are stored, each once; the widest gap between two is ${widest} ms`);
}

async function cleanUp(): Promise<void> {
  for (const running of house.toReversed()) await running.stop();
  rmSync(home, { recursive: true, force: true });
}

try {
  await tell();
  await cleanUp();
  seen('every step was seen');
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  await cleanUp();
  process.exitCode = 1;
}
