import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AttributeName, FleetName, InstanceId } from '@portcullis/contract';
import { feedUsual, openRecords, putSubject, subjectId } from '../../test/records.ts';
import { createLog } from '../telemetry/telemetry.ts';
import { openFeed } from './feed.ts';

const [mine, other] = ['a'.repeat(32), 'b'.repeat(32)].map((text) => InstanceId.parse(text)) as [never, never];

test('P7: a batch is proven only if no receipt can be given before the answer is on the disk of its gate', async (context) => {
  const records = await openRecords(context);
  const { journal, attributes, clock } = records;
  for (const subject of ['truck-1', 'truck-2']) await putSubject(records, subject);
  const log = createLog({ role: 'authority', level: 'error' });
  const fleet = FleetName.parse('fleet-1');
  await using feed = await openFeed({ ...records, ...feedUsual, log, fleet });
  const counters = {
    ...{ admitted: 0, refused: 0, connections: 0, overruns: 0, unproven: 0 },
    policy: 1,
    policyRefused: 0,
  };
  const renew = (gate: string, instance: never) => {
    const { revision: applied, revisionHash: hash } = journal.head();
    const told = {
      instance,
      applied,
      hash,
      connectionsClosed: 0,
      clock: clock.now,
      url: 'https://localhost',
      counters,
    };
    return feed.renew(gate, told as never);
  };
  const cut = async (subject: string) => {
    const set = { ['status' as AttributeName]: 'off' };
    return (await attributes.change({ actor: 'operator-1' }, { subjects: [subjectId(subject)], set })).revision;
  };
  const proven = async (subject: string, judgedAt: number) => {
    const head = { revision: judgedAt, hash: await journal.hashAt(judgedAt) };
    const batches = [{ batch: 1, judgedAt, head, subjects: [subjectId(subject)] }];
    return (await feed.settle('gate-1', { instance: mine, batches } as never)).batches[0]?.proven;
  };

  const judgedAt = journal.head().revision;
  assert.equal((await renew('gate-2', other)).granted, true);
  const first = await cut('truck-1');
  assert.equal((await renew('gate-1', mine)).granted, true, 'it has applied what gate-2 has not');
  assert.equal((await feed.receipt(first, { limitMs: 0 })).confirmed, false, 'the receipt waits for gate-2 alone');
  assert.equal(await proven('truck-1', judgedAt), false);
  assert.equal(await proven('truck-1', first), true, 'it was judged after the change');

  const second = await cut('truck-2');
  await renew('gate-2', other);
  assert.equal((await feed.receipt(second, { limitMs: 0 })).confirmed, false, 'the receipt waits for gate-1');
  assert.equal(await proven('truck-2', judgedAt), true);
});

test('P7: a batch that was judged on a history that was lost, or that does not say on which, is not proven', async (context) => {
  const records = await openRecords(context);
  const { journal } = records;
  await putSubject(records, 'truck-1');
  const log = createLog({ role: 'authority', level: 'error' });
  const fleet = FleetName.parse('fleet-1');
  await using feed = await openFeed({ ...records, ...feedUsual, log, fleet });
  const { revision, revisionHash: hash } = journal.head();
  const lost = 'f'.repeat(64);
  for (const [what, judgedAt, head, isProven] of [
    ['on this one', revision, { revision, hash }, true],
    ['partly by what came before', revision - 1, { revision, hash }, true],
    ['on another of as many revisions', revision, { revision, hash: lost }, false],
    ['on one that had gone on', revision, { revision: revision + 1, hash: lost }, false],
    [
      'by what comes after what it says',
      revision,
      { revision: revision - 1, hash: await journal.hashAt(revision - 1) },
      false,
    ],
    ['by a gate that does not say', revision, undefined, false],
  ] as const) {
    const batches = [{ batch: 1, judgedAt, ...(head && { head }), subjects: [subjectId('truck-9')] }];
    const answer = await feed.settle('gate-1', { instance: mine, batches } as never);
    assert.deepEqual(answer.batches, [{ batch: 1, proven: isProven }], what);
  }
});
