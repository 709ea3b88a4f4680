/** Who waits until desks tell strangers by a revision is told of each desk what it does, and waits for none that is gone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeskReportRequest } from '@portcullis/contract';
import { openRecords, putSubject, subjectId } from '../../test/records.ts';
import { DeskReports } from './desk-reports.ts';

function report(lookUps: number | undefined, standings: number | null | undefined): DeskReportRequest {
  const known = standings == null ? null : { revision: standings, ageMs: 0, certificates: 1 };
  return {
    ...{ url: 'https://localhost:1', version: '1.0.0', startedAt: '2030-01-01T00:00:00.000Z' },
    ...{ connections: 0, relayed: 0, turnedAway: 0 },
    lookUps: lookUps === undefined ? null : { revision: lookUps, ageMs: 0, subjects: 0 },
    ...(standings !== undefined && { verifiers: { lists: null, standings: known, answers: {} as never } }),
  };
}

test('a desk counts once all that it tells is of the revision; silent ones, and such as tell nothing, are not waited for', async (context) => {
  const records = await openRecords(context);
  const reports = new DeskReports({ store: records.store, monotonic: () => records.clock.now });
  const names = ['desk-1', 'desk-2', 'desk-3', 'desk-4', 'desk-5'];
  for (const name of names) await putSubject(records, name, 'desk');
  const [one, two, three, four] = names.map(subjectId) as [never, never, never, never];
  reports.heard(four, report(7, 7));
  records.clock.now += 21_000;
  reports.heard(one, report(7, 6));
  reports.heard(two, report(undefined, 7));
  reports.heard(three, report(undefined, undefined));
  const outcomes = async (limitMs: number) =>
    Object.fromEntries((await reports.applied(7, limitMs)).map(({ desk, outcome }) => [desk, outcome]));
  const others = { 'desk-2': 'applied', 'desk-3': 'tells_nothing', 'desk-4': 'silent', 'desk-5': 'silent' };
  assert.deepEqual(await outcomes(0), { 'desk-1': 'not_applied', ...others });
  let over = false;
  const waited = outcomes(60_000).finally(() => {
    over = true;
  });
  reports.heard(two, report(undefined, 7));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(over, false, 'one of them still tells by what was before');
  reports.heard(one, report(7, 7));
  assert.deepEqual(await waited, { 'desk-1': 'applied', ...others });
});
