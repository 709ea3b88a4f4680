/** A device is cut off in the middle of what it does, and is back; every reading is there, once. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Receipt, VerdictView } from '@portcullis/contract';
import { finished, type Running } from '../commands.ts';
import { must, type Stage } from './stage.ts';

interface Reading {
  id: string;
  receivedAt: string;
  deviceTime: string;
}

async function readings(stage: Stage): Promise<Reading[]> {
  const out = await stage.portcullis('readings', 'telemetry', '--json');
  return out === '' ? [] : out.split('\n').map((line) => JSON.parse(line) as Reading);
}

const change = (stage: Stage, status: string) =>
  stage.told<Receipt>('attribute', 'set', 'truck-17', `status=${status}`, '--wait', '--reason', 'the demo');

export async function tell(stage: Stage): Promise<void> {
  await stage.house();
  const watching = stage.start('portcullis', 'watch', '--json', '--fleet', stage.fleet);
  const device = await stage.enrol('truck-17');
  stage.seen('truck-17 made its key, verified who answered at the desk, and has a certificate');

  const sending = stage.start('portcullis-device', 'run', '--metrics', '--interval', '0.2', '--device', device);
  await watching.line(/"verdict":"admitted"/);
  stage.seen('admitted: its readings are judged and stored');

  const off = await change(stage, 'off');
  must(off.confirmed, 'a confirmed receipt');
  stage.seen(`status=off: in force at every gate after ${off.elapsedMs} ms (revision ${off.revision})`);
  must((off.connectionsClosed ?? 0) >= 1, 'its open connection closed');
  stage.seen(`its open connection was closed (${off.connectionsClosed})`);
  const before = (await readings(stage)).length;

  const refused = JSON.parse(await watching.line(/"verdict":"refused"/)) as VerdictView;
  must(refused.reason === 'attribute_not_expected', 'a refusal with its reason');
  const { expected, found } = refused;
  stage.seen(`refused: ${refused.reason}, expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`);
  const explained = await stage.told<VerdictView>('explain', 'truck-17');
  must(explained.verdict === 'refused', 'explain says refused');
  must((await readings(stage)).length === before, 'nothing stored while refused');
  stage.seen(
    `nothing is stored while it is refused (${before} readings, as before); the device keeps what it measures`,
  );

  const on = await change(stage, 'active');
  must(on.confirmed, 'a confirmed receipt');
  stage.seen(`status=active: in force at every gate after ${on.elapsedMs} ms (revision ${on.revision})`);
  await untilMore(stage, before);
  stage.seen('admitted again');
  await finish(stage, sending, device);
}

/** A device that was refused asks again after a pause, which grows. */
const moreMsMax = 20_000;
const lookMs = 50;

async function untilMore(stage: Stage, before: number): Promise<void> {
  for (const end = performance.now() + moreMsMax; performance.now() < end; await pause(lookMs)) {
    if ((await readings(stage)).length > before) return;
  }
  throw new Error('not seen: readings after the way is open again');
}

/** The device stops measuring; what it still holds is sent; then every reading must be there, once, without a gap. */
async function finish(stage: Stage, sending: Running, device: string): Promise<void> {
  await sending.stop();
  const rest = await finished('portcullis-device', 'send', 'telemetry', '/dev/null', '--json', '--device', device);
  must(rest.status === 0 && (JSON.parse(rest.out) as { kept: number }).kept === 0, 'an empty outbox');
  const stored = await readings(stage);
  must(new Set(stored.map(({ id }) => id)).size === stored.length, 'every reading once');
  const times = stored.map(({ deviceTime }) => Date.parse(deviceTime)).toSorted((a, b) => a - b);
  const widest = Math.max(...times.slice(1).map((time, index) => time - (times[index] as number)));
  must(widest < 2_000, `no gap in the device's times (the widest is ${widest} ms)`);
  stage.seen(`all ${stored.length} readings are stored, each once; the widest gap between two is ${widest} ms`);
}
