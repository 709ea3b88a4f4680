/** A fleet that was enrolled on one day, over a year of renewals: by the real choice of when, with a clock and chance that are passed in. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FleetName } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import { asking } from '../../test/asking.ts';
import { openRecords, startedAt } from '../../test/records.ts';
import { Schedule } from '../../test/simulation/schedule.ts';
import { fileKeys } from '../keys/keys.ts';
import { makeFleet, openIssuance } from './issuance.ts';

const [hour, day] = [3_600_000, 86_400_000];
const devices = 20_000;
const days = 365;
/** A device tries again after an hour at the latest, at any time within it (`BackOff`). */
const retriedMs = hour;

interface Outage {
  from: number;
  until: number;
}

async function open(context: TestContext, seed: number) {
  const { directory, store, clock, system } = await openRecords(context);
  mkdirSync(join(directory, 'keys'));
  const keys = fileKeys(join(directory, 'keys'));
  await makeFleet({ store, keys, system, fleet: FleetName.parse('fleet-1') });
  const chance = new Schedule(seed);
  const random = (bytes: number) => {
    const made = Buffer.alloc(bytes);
    made.writeUInt32BE(Math.floor(chance.chance() * 2 ** 32));
    return made;
  };
  const issuance = await openIssuance({ store, keys, system: { ...system, random } });
  const request = makeRequest(makeKey(), 'truck-1');
  const { notBefore, notAfter } = await issuance.issue(
    await issuance.check({ subject: 'truck-1', kind: 'device', request, asking }),
  );
  const [beforeMs, lifeMs] = [startedAt - notBefore, notAfter - startedAt];
  /** When one that is issued then is to be renewed. */
  const dueAfter = (at: number) => {
    clock.now = at;
    return issuance.renewAfter({ notBefore: at - beforeMs, notAfter: at + lifeMs });
  };
  return { chance, dueAfter };
}

/** How many renewals there are in each hour, of devices that were all enrolled within `enrolledMs`; nobody renews in the outage. */
async function hours(context: TestContext, seed: number, enrolledMs: number, outage?: Outage): Promise<number[]> {
  const { chance, dueAfter } = await open(context, seed);
  const counts = Array<number>(days * 24).fill(0);
  const end = startedAt + days * day;
  for (let device = 0; device < devices; device++) {
    for (let at = startedAt + chance.chance() * enrolledMs; ; ) {
      at = dueAfter(at);
      if (outage && at >= outage.from && at < outage.until) at = outage.until + chance.chance() * retriedMs;
      if (at >= end) break;
      const index = Math.floor((at - startedAt) / hour);
      counts[index] = (counts[index] ?? 0) + 1;
    }
  }
  return counts;
}

/** The most in any so many hours that follow one another, as a part of the fleet. */
function peak(counts: readonly number[], width: number): number {
  let [most, sum] = [0, 0];
  for (const [index, count] of counts.entries()) {
    sum += count - (counts[index - width] ?? 0);
    most = Math.max(most, sum);
  }
  return most / devices;
}

/** Some 17.5 days after it was issued, in the middle of half and two thirds of 30 days: so many renew on a day of a fleet without a memory. */
const evenDay = 1 / 17.5;

for (const [what, enrolledMs] of [
  ['on one day', day],
  ['in one minute', 60_000],
] as const) {
  test(`of a fleet that was enrolled ${what} no day sees more than a quarter renew, and each generation spreads further`, async (context) => {
    for (const seed of [1, 2, 3]) {
      const counts = await hours(context, seed, enrolledMs);
      const generations = [0, 60, 120, 180, 240, 300].map((from) => counts.slice(from * 24, (from + 60) * 24));
      const peaks = generations.map((part) => peak(part, 24));
      const words = `seed ${seed}: ${peaks.map((one) => one.toFixed(4)).join(', ')}`;
      assert.ok((peaks[0] ?? 1) <= 0.25, words);
      assert.ok(peak(counts, 1) <= 0.0125, `seed ${seed}: in an hour ${peak(counts, 1)}`);
      for (const [index, one] of peaks.slice(1).entries()) assert.ok(one <= (peaks[index] ?? 0) * 1.05, words);
      assert.ok((peaks.at(-1) ?? 1) <= evenDay * 1.35, words);
    }
  });
}

test('whoever comes back together after an outage of three days is apart again at the next renewal', async (context) => {
  const outage = { from: startedAt + 200 * day, until: startedAt + 203 * day };
  const counts = await hours(context, 4, day, outage);
  const backlog = peak(counts.slice(203 * 24, 204 * 24), 24);
  assert.ok(backlog > 2 * evenDay, `they come back together: ${backlog}`);
  const words = `${backlog}, then ${peak(counts.slice(204 * 24 + 1), 24)}`;
  assert.ok(peak(counts.slice(204 * 24 + 1), 24) <= evenDay * 2, words);
});
