/** What a revocation takes with a thousand certificates on record, and with a million: in turns, by two authorities. */
import { House } from '../packages/server/test/house.ts';
import { Operator } from '../packages/server/test/operator.ts';
import type { Row } from './bench.ts';
import { fillFleet, idOf } from './fleet.ts';
import { quantile, rounded, thousands } from './measure.ts';
import { issuerOf } from './ocsp.ts';

const sizes = [1_000, 1_000_000] as const;
const rounds = 5;
const eachRound = 60;
const target = 1.2;

interface Side {
  house: House;
  operator: Operator;
  times: number[];
}

async function sideOf(certificates: number): Promise<Side> {
  process.stderr.write(`a fleet of ${thousands(certificates)} certificates\n`);
  const house = await House.open(async ({ fleet }) => fillFleet(fleet, certificates, (await issuerOf(fleet)).name));
  return { house, operator: new Operator(house.fleet), times: [] };
}

/** From when the request leaves until its receipt is read: on disk, and every gate refuses. */
async function revoke({ operator, times }: Side, from: number, count: number): Promise<void> {
  for (let number = from; number < from + count; number++) {
    const sent = performance.now();
    const { confirmed } = await operator.stand('revoke', idOf(number));
    if (!confirmed) throw new Error('a receipt was not confirmed');
    times.push(performance.now() - sent);
  }
}

export async function benchRevoke(): Promise<Row[]> {
  const sides: Side[] = [];
  try {
    for (const size of sizes) sides.push(await sideOf(size));
    // What was read at the start, and lists, are behind them; and both are warm.
    for (const side of sides) await revoke(side, 0, eachRound);
    for (const side of sides) side.times = [];
    for (let round = 1; round <= rounds; round++)
      for (const side of sides) await revoke(side, round * eachRound, eachRound);
    const [few, many] = sides.map(({ times }) => times) as [number[], number[]];
    return [row('p50', few, many, 0.5, target), row('p99', few, many, 0.99)];
  } finally {
    for (const { house, operator } of sides) {
      operator.close();
      await house.close();
    }
  }
}

function row(name: string, few: number[], many: number[], share: number, times?: number): Row {
  const [ours, peer] = [quantile(many, share), quantile(few, share)];
  return {
    what: `revocation sent → receipt, ${thousands(sizes[1])} certificates, ${name}`,
    ours: `${rounded(ours)} ms (${rounded(ours / peer, 2)} ×)`,
    peer: `${rounded(peer)} ms with ${thousands(sizes[0])}`,
    target: times === undefined ? '' : `≤ ${times} ×`,
    met: times === undefined ? null : ours <= times * peer,
  };
}
