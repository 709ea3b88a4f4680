/** What a revocation takes with a thousand certificates on record, and with a hundred thousand or a million: in turns, by two authorities. */
import { House } from '../packages/server/test/house.ts';
import { Operator } from '../packages/server/test/operator.ts';
import { freeBasePort, succeeded } from '../tools/commands.ts';
import type { Row } from './bench.ts';
import { fillFleet, idOf } from './fleet.ts';
import { quantile, rounded, thousands } from './measure.ts';
import { issuerOf } from './ocsp.ts';

const few = 1_000;
const many = { usual: 100_000, full: 1_000_000 } as const;
const rounds = 5;
const eachRound = 60;
const target = 1.2;

interface Side {
  house: House;
  operator: Operator;
  times: number[];
}

/** Without a gate: how long those take does not grow with the fleet, and is what "cut" measures. */
async function sideOf(certificates: number): Promise<Side> {
  process.stderr.write(`a fleet of ${thousands(certificates)} certificates\n`);
  const house = new House();
  house.basePort = await freeBasePort();
  await succeeded('portcullis', 'init', house.fleet, '--desk', 'none', '--base-port', String(house.basePort));
  await fillFleet(house.fleet, certificates, (await issuerOf(house.fleet)).name);
  await house.startAuthority();
  return { house, operator: new Operator(house.fleet), times: [] };
}

/** From when the request leaves until its receipt is read: it is on disk. */
async function revoke({ operator, times }: Side, from: number, count: number): Promise<void> {
  for (let number = from; number < from + count; number++) {
    const sent = performance.now();
    const { confirmed } = await operator.stand('revoke', idOf(number));
    if (!confirmed) throw new Error('a receipt was not confirmed');
    times.push(performance.now() - sent);
  }
}

export async function benchRevoke({ full }: { full: boolean }): Promise<Row[]> {
  const sides: Side[] = [];
  const most = full ? many.full : many.usual;
  try {
    for (const size of [few, most]) sides.push(await sideOf(size));
    // What was read at the start, and lists, are behind them; and both are warm.
    for (const side of sides) await revoke(side, 0, eachRound);
    for (const side of sides) side.times = [];
    for (let round = 1; round <= rounds; round++)
      for (const side of sides) await revoke(side, round * eachRound, eachRound);
    const times = sides.map((side) => side.times) as [number[], number[]];
    return [row(most, 'p50', times, 0.5, target), row(most, 'p99', times, 0.99)];
  } finally {
    for (const { house, operator } of sides) {
      operator.close();
      await house.close();
    }
  }
}

function row(most: number, name: string, times: [number[], number[]], share: number, timesMax?: number): Row {
  const [peer, ours] = times.map((some) => quantile(some, share)) as [number, number];
  return {
    what: `revocation sent → receipt, ${thousands(most)} certificates, ${name}`,
    ours: `${rounded(ours)} ms (${rounded(ours / peer, 2)} ×)`,
    peer: `${rounded(peer)} ms with ${thousands(few)}`,
    target: timesMax === undefined ? '' : `≤ ${timesMax} ×`,
    met: timesMax === undefined ? null : ours <= timesMax * peer,
  };
}
