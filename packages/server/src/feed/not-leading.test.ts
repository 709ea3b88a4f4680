import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type AttributeName, FleetName, InstanceId } from '@portcullis/contract';
import { feedUsual, openRecords, putSubject, subjectId } from '../../test/records.ts';
import { createLog } from '../telemetry/telemetry.ts';
import { openFeed } from './feed.ts';

const instance = InstanceId.parse('a'.repeat(32));
const counters = {
  ...{ admitted: 0, refused: 0, connections: 0, overruns: 0, unproven: 0 },
  ...{ policy: 1, policyRefused: false },
};

async function openHeld(context: TestContext) {
  const records = await openRecords(context);
  const { journal, attributes, clock, store } = records;
  await putSubject(records, 'truck-1');
  const log = createLog({ role: 'authority', level: 'silent' });
  const feed = await openFeed({ ...records, ...feedUsual, log, fleet: FleetName.parse('fleet-1') });
  const held = () => {
    const { revision: applied, revisionHash: hash } = journal.head();
    return { instance, applied, hash, connectionsClosed: 0 };
  };
  const renew = (told = {}) =>
    feed.renew('gate-1', { ...held(), ...told, clock: clock.now, url: 'https://localhost', counters });
  const set = { ['status' as AttributeName]: 'off' };
  const cut = async () =>
    (await attributes.change({ actor: 'operator-1' }, { subjects: [subjectId('truck-1')], set })).revision;
  const confirmed = async (revision: number) => (await feed.receipt(revision, { limitMs: 0 })).confirmed;
  return { journal, store, feed, held, renew, cut, confirmed };
}

test('P7, rule 11: an authority that does not lead any more grants no lease and gives no receipt, whatever gates report', async (context) => {
  const { store, feed, held, renew, cut, confirmed } = await openHeld(context);
  assert.equal((await renew()).granted, true);
  const revision = await cut();
  let leads = false;
  context.mock.method(store, 'leads', () => leads);
  await assert.rejects(renew(), { code: 'not_leader' });
  await feed.report('gate-1', held());
  assert.equal(await confirmed(revision), false);
  leads = true;
  await feed.report('gate-1', held());
  assert.equal(await confirmed(revision), true);
  leads = false;
  assert.equal(await confirmed(revision), false, 'what was in force may be undone by now');
  await feed[Symbol.asyncDispose]();
});

test('P7, rule 9: an authority that does not lead any more proves nothing: another may have given receipts since', async (context) => {
  const { journal, store, feed } = await openHeld(context);
  const { revision: judgedAt, revisionHash: hash } = journal.head();
  const batches = [{ batch: 1, judgedAt, head: { revision: judgedAt, hash }, subjects: [subjectId('truck-1')] }];
  const settle = () => feed.settle('gate-1', { instance, batches });
  assert.equal((await settle()).batches[0]?.proven, true);
  context.mock.method(store, 'leads', () => false);
  await assert.rejects(settle(), { code: 'not_leader' });
  await feed[Symbol.asyncDispose]();
});

test('rule 20: an authority that does not lead any more tells no gate that its history is lost', async (context) => {
  const { journal, store, feed, renew } = await openHeld(context);
  const ahead = { applied: journal.head().revision + 1, hash: 'e'.repeat(64) };
  await assert.rejects(renew(ahead), { code: 'revision_regressed' });
  context.mock.method(store, 'leads', () => false);
  await assert.rejects(renew(ahead), { code: 'not_leader' });
  await feed[Symbol.asyncDispose]();
});

test('rule 6: while an authority stops it grants nothing: it may have stored already that no lease runs', async (context) => {
  const { feed, renew } = await openHeld(context);
  const asked = renew();
  const closed = feed[Symbol.asyncDispose]();
  await assert.rejects(asked, { code: 'not_leader' });
  await assert.rejects(renew(), { code: 'not_leader' });
  await closed;
});
