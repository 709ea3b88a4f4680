/** Arrivals of many shipments at the authority's records, each durable before it is answered: so many at once, and one after the other. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import { arrive, type checkpoints, openShipping, type Shipping, ship } from '../packages/server/test/shipping.ts';
import type { Row } from './bench.ts';
import { rounded, thousands } from './measure.ts';

const shipments = 2_000;
const atOnce = 64;
const inTurn = 200;
const target = 1_000;
const way = ['factory', 'trucker', 'customs', 'ship'] as const satisfies readonly (keyof typeof checkpoints)[];

export async function benchArrivals(): Promise<Row[]> {
  const ends: (() => unknown)[] = [];
  const context = { after: (end: () => unknown) => ends.push(end) } as unknown as TestContext;
  try {
    const shipping = await openShipping(context);
    await inLanes(shipments, (index) => ship(shipping, `box-${index}`));
    const together = await measured(shipping);
    const begun = performance.now();
    for (let index = 0; index < inTurn; index++) await arrive(shipping, 'clinic', `box-${index}`);
    const alone = (inTurn / (performance.now() - begun)) * 1_000;
    return [
      {
        what: `arrivals, ${atOnce} at once, each durable and in the journal`,
        ours: `${thousands(together.perSecond)}/s, ${rounded(together.cpuMs, 2)} ms CPU each`,
        peer: `${thousands(bareInserts())}/s: a bare insert with a commit each`,
        target: `≥ ${thousands(target)}/s`,
        met: together.perSecond >= target,
      },
      {
        what: 'arrivals, refused for a condition, one after the other',
        ours: `${thousands(alone)}/s`,
        peer: 'none',
        target: '',
        met: null,
      },
    ];
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

/** So many checkpoints that each wait for an answer before they record the next shipment. */
async function inLanes(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async () => {
    for (let index = next++; index < count; index = next++) await work(index);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

async function measured(shipping: Shipping): Promise<{ perSecond: number; cpuMs: number }> {
  const begun = performance.now();
  const used = process.cpuUsage();
  for (const checkpoint of way) {
    await inLanes(shipments, async (index) => {
      const { outcome } = await arrive(shipping, checkpoint, `box-${index}`);
      if (outcome !== 'recorded') throw new Error(`an arrival of the bench was ${outcome}`);
    });
  }
  const count = way.length * shipments;
  const { user, system } = process.cpuUsage(used);
  return { perSecond: (count / (performance.now() - begun)) * 1_000, cpuMs: (user + system) / 1_000 / count };
}

/** What the disk gives, with nothing of ours around it. */
function bareInserts(): number {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-bench-'));
  const database = new DatabaseSync(join(directory, 'bare.db'));
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE arrivals (body TEXT)');
    const insert = database.prepare('INSERT INTO arrivals VALUES (?)');
    const begun = performance.now();
    for (let index = 0; index < shipments; index++) insert.run('x'.repeat(500));
    return (shipments / (performance.now() - begun)) * 1_000;
  } finally {
    database.close();
    rmSync(directory, { recursive: true, force: true });
  }
}
