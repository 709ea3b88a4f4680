import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AttributeName, FleetName, InstanceId } from '@portcullis/contract';
import { feedUsual, openRecords, putSubject, subjectId } from '../../test/records.ts';
import { createLog } from '../telemetry/telemetry.ts';
import { openFeed } from './feed.ts';

const instance = InstanceId.parse('a'.repeat(32));
const counters = {
  ...{ admitted: 0, refused: 0, connections: 0, overruns: 0, unproven: 0 },
  ...{ policy: 1, policyRefused: false },
};

test('P7 P12: a renewal or report of what was applied of another history counts for nothing, nor does one of what is not there yet', async (context) => {
  const records = await openRecords(context);
  const { journal, attributes, clock } = records;
  await putSubject(records, 'truck-1');
  const log = createLog({ role: 'authority', level: 'silent' });
  const fleet = FleetName.parse('fleet-1');
  await using feed = await openFeed({ ...records, ...feedUsual, log, fleet });
  const renew = (applied: number, hash: string) =>
    feed.renew('gate-1', {
      ...{ instance, applied, hash, connectionsClosed: 0, clock: clock.now, url: 'https://localhost', counters },
    });
  const report = (applied: number, hash: string) =>
    feed.report('gate-1', { instance, applied, hash, connectionsClosed: 0 });
  const { revision: start, revisionHash } = journal.head();
  assert.equal((await renew(start, revisionHash)).granted, true);
  const set = { ['status' as AttributeName]: 'off' };
  const { revision } = await attributes.change({ actor: 'operator-1' }, { subjects: [subjectId('truck-1')], set });
  const confirmed = async () => (await feed.receipt(revision, { limitMs: 0 })).confirmed;

  const others = [
    [revision, 'f'.repeat(64)],
    [revision, revisionHash],
    [revision + 1, 'f'.repeat(64)],
  ] as const;
  for (const [applied, hash] of others) {
    await assert.rejects(report(applied, hash), { code: 'revision_regressed' });
    await assert.rejects(renew(applied, hash), { code: 'revision_regressed' });
    assert.equal(await confirmed(), false);
  }
  await report(start, revisionHash);
  assert.equal(await confirmed(), false, 'it is of this history, and older');
  await report(revision, journal.head().revisionHash);
  assert.equal(await confirmed(), true);
});

test('P9: a desk that was told of another history, or of what is not there, is told nothing', async (context) => {
  const records = await openRecords(context);
  const log = createLog({ role: 'authority', level: 'silent' });
  await using feed = await openFeed({ ...records, ...feedUsual, log, fleet: FleetName.parse('fleet-1') });
  await putSubject(records, 'truck-1');
  const { revision: after, revisionHash: hash } = records.journal.head();
  for (const tell of ['tellPublic', 'tellStandings'] as const) {
    const told = async (seen: { after?: number; hash?: string }) => {
      const over = new AbortController();
      let beat: object | undefined;
      const write = async (line: string) => {
        if (JSON.parse(line).type !== 'beat') return;
        beat = JSON.parse(line);
        over.abort();
      };
      await feed[tell](seen, write, over.signal);
      return beat;
    };
    for (const other of [{ after: after + 1, hash }, { after, hash: 'f'.repeat(64) }, { after }])
      await assert.rejects(told(other), { code: 'revision_regressed' });
    for (const seen of [{}, { after, hash }]) {
      const beat = (await told(seen)) as { revision: number; hash: string };
      assert.deepEqual([beat.revision, beat.hash], [after, hash]);
    }
  }
});

test('a report of a gate of the version before, which says no hash, counts', async (context) => {
  const records = await openRecords(context);
  const log = createLog({ role: 'authority', level: 'silent' });
  const fleet = FleetName.parse('fleet-1');
  await using feed = await openFeed({ ...records, ...feedUsual, log, fleet });
  const { revision: applied, revisionHash: hash } = records.journal.head();
  const clock = records.clock.now;
  const told = { instance, applied, hash, connectionsClosed: 0, clock, url: 'https://localhost', counters };
  await feed.renew('gate-1', told);
  await putSubject(records, 'truck-1');
  const { revision } = records.journal.head();
  await feed.report('gate-1', { instance, applied: revision, connectionsClosed: 0 });
  assert.equal((await feed.receipt(revision, { limitMs: 0 })).confirmed, true);
});
