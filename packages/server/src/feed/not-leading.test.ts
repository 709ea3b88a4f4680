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

test('P7, rule 11: an authority that does not lead any more grants no lease and gives no receipt, whatever gates report', async (context) => {
  const records = await openRecords(context);
  const { journal, attributes, clock, store } = records;
  await putSubject(records, 'truck-1');
  const log = createLog({ role: 'authority', level: 'silent' });
  await using feed = await openFeed({ ...records, ...feedUsual, log, fleet: FleetName.parse('fleet-1') });
  const held = () => {
    const { revision: applied, revisionHash: hash } = journal.head();
    return { instance, applied, hash, connectionsClosed: 0 };
  };
  const renew = () => feed.renew('gate-1', { ...held(), clock: clock.now, url: 'https://localhost', counters });
  assert.equal((await renew()).granted, true);
  const set = { ['status' as AttributeName]: 'off' };
  const { revision } = await attributes.change({ actor: 'operator-1' }, { subjects: [subjectId('truck-1')], set });
  let leads = false;
  context.mock.method(store, 'leads', () => leads);
  const confirmed = async () => (await feed.receipt(revision, { limitMs: 0 })).confirmed;
  await assert.rejects(renew(), { code: 'not_leader' });
  await feed.report('gate-1', held());
  assert.equal(await confirmed(), false);
  leads = true;
  await feed.report('gate-1', held());
  assert.equal(await confirmed(), true);
});
