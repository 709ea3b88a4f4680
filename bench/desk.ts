/** What a crowd at a desk does to a receipt: the desk and the crowd on one processor, authority and gate on another. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { House } from '../packages/server/test/house.ts';
import { Operator } from '../packages/server/test/operator.ts';
import type { Running } from '../tools/commands.ts';
import type { Row } from './bench.ts';
import { pin, quantile, rounded } from './measure.ts';
import { joinDesk } from './stage.ts';

const rounds = 6;
const changesEach = 150;
const warmUps = 50;
const crowd = 64;
const device = 'truck-17';

async function receipts(operator: Operator, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index++) {
    const sent = performance.now();
    const { confirmed } = await operator.set(device, { status: index % 2 === 0 ? 'off' : 'active' });
    if (!confirmed) throw new Error('a receipt was not confirmed');
    times.push(performance.now() - sent);
  }
  return times;
}

async function startFlood(url: string, ca: string): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, 'flood.ts'), { execArgv: ['--conditions=portcullis-source'] });
  pin(child.pid, 1);
  child.send({ url, ca, crowd });
  await once(child, 'message');
  return child;
}

async function countsOf(child: ChildProcess): Promise<{ answered: number; failed: number }> {
  const told = once(child, 'message');
  child.send('how many');
  return ((await told) as [{ answered: number; failed: number }])[0];
}

export async function benchDesk(): Promise<Row[]> {
  if (availableParallelism() < 2) throw new Error('two processors are needed: one for the desk and its crowd');
  const house = await House.open();
  const operator = new Operator(house.fleet);
  let desk: Running | undefined;
  try {
    await house.device(device);
    const port = String(house.basePort + 2);
    desk = await joinDesk(house, '--port', port);
    for (const running of [house.authority, house.gate]) pin(running?.process.pid, 0);
    pin(desk.process.pid, 1);
    pin(process.pid, 0);
    return await measured(operator, `https://localhost:${port}`, readFileSync(join(house.fleet, 'root.pem'), 'utf8'));
  } finally {
    operator.close();
    await desk?.stop();
    await house.close();
  }
}

/** In turns, so that both see the same machine. */
async function measured(operator: Operator, url: string, ca: string): Promise<Row[]> {
  const [quiet, flooded]: [number[], number[]] = [[], []];
  let [answered, failed, floodedMs] = [0, 0, 0];
  await receipts(operator, warmUps);
  for (let round = 0; round < rounds; round++) {
    quiet.push(...(await receipts(operator, changesEach)));
    const flood = await startFlood(url, ca);
    const begun = performance.now();
    flooded.push(...(await receipts(operator, changesEach)));
    floodedMs += performance.now() - begun;
    const counts = await countsOf(flood);
    [answered, failed] = [answered + counts.answered, failed + counts.failed];
    flood.kill();
    await once(flood, 'exit');
  }
  const row = (what: string, share: number): Row => {
    const [ours, peer] = [quantile(flooded, share), quantile(quiet, share)];
    return {
      ...{ what, ours: `${rounded(ours)} ms`, peer: `${rounded(peer)} ms without`, target: '≤ 1.2 ×' },
      met: ours <= 1.2 * peer,
    };
  };
  const perSecond = Math.round((answered / floodedMs) * 1_000);
  return [
    row('receipt while a crowd is at the desk, p50', 0.5),
    row('the same, p99', 0.99),
    {
      what: `the crowd of ${crowd}, a new connection each`,
      ours: `${perSecond} answered a second, ${failed} turned away at the door`,
      ...{ peer: '', target: '', met: null },
    },
  ];
}
