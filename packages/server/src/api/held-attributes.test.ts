import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openRecords, putSubject } from '../../test/records.ts';
import { alert, delivery, signalsOver } from '../../test/signals.ts';
import { aTurn } from '../telemetry/telemetry.ts';
import { apiRoutes } from './routes.ts';

const signals = `
  plant:
    certificate: alertmanager-1
    format: alertmanager
    may: { attributes: { status: [degraded] } }
    reactions: [{ on: 'true', subject: alert.labels.device, hold: { status: degraded } }]
`;

/** A device that is held, among many, and how its operators would change them. */
async function open(context: TestContext, count: number) {
  const records = await openRecords(context);
  const room = await signalsOver(records, { signals });
  context.after(() => room[Symbol.asyncDispose]());
  const subjects = Array.from({ length: count }, (_, index) => `truck-${index}`);
  for (const subject of subjects.slice(0, 2)) await putSubject(records, subject);
  await records.journal.change({ actor: 'operator-1', action: 'tokens.create' }, async (change) => {
    for (const subject of subjects.slice(2))
      await records.attributes.ensure(change, { subject, kind: 'device', attributes: { status: 'active' } });
  });
  await room.receive('plant', delivery(alert('truck-1')));
  const row = apiRoutes.find(({ method, path }) => method === 'POST' && path === '/v1/attributes');
  const set = (status: string, more: object = {}) =>
    row?.handle(
      { ...records, feed: {}, signals: room } as never,
      { body: { subjects, set: { status }, unset: [], ...more }, query: {}, by: { actor: 'operator-1' } } as never,
    ) as Promise<{ revision: number; changed: number; heldBy?: { subject: string }[] }>;
  const statusOf = async (subject: string) => (await records.attributes.read(subject)).attributes[0]?.value;
  return { ...records, records, room, set, statusOf };
}

for (const count of [3, 700]) {
  test(`of ${count} that an operator changes at once one is held: what is looser goes underneath, what is stricter is in force`, async (context) => {
    const { set, statusOf, journal } = await open(context, count);
    const looser = await set('active', { visibility: 'public' });
    assert.deepEqual(
      looser.heldBy?.map(({ subject }) => subject),
      ['truck-1'],
    );
    assert.deepEqual([await statusOf('truck-0'), await statusOf('truck-1')], ['active', 'degraded']);
    const stricter = await set('quarantined');
    assert.deepEqual([await statusOf('truck-0'), await statusOf('truck-1')], ['quarantined', 'quarantined']);
    assert.equal(stricter.revision, journal.head().revision, 'whose receipt is waited for is the last');
    const back = await set('active');
    assert.deepEqual([await statusOf('truck-0'), await statusOf('truck-1')], ['active', 'degraded']);
    assert.equal(back.revision, journal.head().revision);
  });
}

test('a dry run of a change asks nobody to let go, and changes nothing', async (context) => {
  const { set, statusOf, journal } = await open(context, 3);
  const { revision } = journal.head();
  await set('active', { dryRun: true, release: true });
  assert.deepEqual([await statusOf('truck-1'), journal.head().revision], ['degraded', revision]);
});

test('P6: a cut is in force also where a weaker hold begins at the same moment, whichever of the two is first', async (context) => {
  const { set, room, statusOf } = await open(context, 40);
  const lost: string[] = [];
  for (let turns = 0; turns < 40; turns++) {
    const subject = `truck-${turns}`;
    const cut = async () => {
      for (let turn = 0; turn < turns / 2; turn++) await aTurn();
      await set('quarantined', { subjects: [subject] });
    };
    await Promise.all([room.receive('plant', delivery(alert(subject))), cut()]);
    if ((await statusOf(subject)) !== 'quarantined') lost.push(subject);
  }
  assert.deepEqual(lost, []);
});

test('P6: a value underneath that is unset is in force no more', async (context) => {
  const { records, set, statusOf } = await open(context, 3);
  await set('quarantined', { subjects: ['truck-1'] });
  assert.equal(await statusOf('truck-1'), 'quarantined');
  await set('', { subjects: ['truck-1'], set: {}, unset: ['status'] });
  const under = await records.store.read((db) => records.attributes.beneath(db, 'truck-1'));
  assert.deepEqual([await statusOf('truck-1'), under.get('status')], ['degraded', null]);
});
