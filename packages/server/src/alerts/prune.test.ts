import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type AlertKind, AlertsQuery } from '@portcullis/contract';
import { openRecords } from '../../test/records.ts';
import { pruneSome } from './prune.ts';
import { routeSome } from './routing.ts';

const day = 86_400_000;
const manner = { name: 'duty', groupWaitMs: 0, repeatMs: day, settled: false, leases: false };

async function opened(context: TestContext) {
  const records = await openRecords(context);
  const { store, alerts, clock, system } = records;
  const raise = (kind: AlertKind, key: string) =>
    store.change((db) => alerts.raise(db, { kind, key, subject: null, at: clock.now, says: key, detail: {} }));
  const route = async () => {
    while (await store.change((db) => routeSome(db, { manners: [manner], routes: undefined, system })));
  };
  const told = () =>
    store.change((db) => db.updateTable('alertMessages').set({ state: 'told', dueAt: null }).execute());
  const prune = async () => {
    for (let after: number | undefined = 0; after !== undefined; )
      after = await store.change((db) => pruneSome(db, after as number, clock.now));
    const { items } = await alerts.list(AlertsQuery.parse({}));
    const messages = await store.read((db) => db.selectFrom('alertMessages').select('number').execute());
    return [items.map(({ says }) => says).toSorted(), messages.length];
  };
  return { ...records, raise, route, told, prune };
}

test('what is over and told goes after ninety days, with its messages; what lasts and what waits stays', async (context) => {
  const { raise, route, told, prune, store, alerts, clock } = await opened(context);
  await raise('breach', 'lasts');
  await raise('breach', 'over');
  await raise('out_of_sequence', 'moment');
  await store.change((db) => alerts.settle(db, 'breach', 'over', clock.now));
  await route();
  await told();
  await raise('clone_suspected', 'waits');
  await route();
  await raise('test', 'not routed');
  clock.now += 89 * day;
  const all = ['lasts', 'moment', 'not routed', 'over', 'waits'];
  assert.deepEqual(await prune(), [all, 3]);
  clock.now += 2 * day;
  assert.deepEqual(await prune(), [['lasts', 'not routed', 'waits'], 2], 'a message goes with the last of its alerts');
});

test('many are looked at a few at a time, also past those that stay', async (context) => {
  const { prune, store, alerts, clock } = await opened(context);
  await store.change(async (db) => {
    for (let index = 0; index < 900; index++) {
      const kind = index % 3 === 0 ? 'breach' : 'out_of_sequence';
      await alerts.raise(db, { kind, key: `${index}`, subject: null, at: clock.now, says: kind, detail: {} });
    }
    await db.updateTable('alerts').set({ toRoute: 0 }).execute();
  });
  clock.now += 91 * day;
  await prune();
  const kinds = await store.read((db) => db.selectFrom('alerts').select('kind').execute());
  assert.deepEqual([kinds.length, new Set(kinds.map(({ kind }) => kind)).size], [300, 1]);
});
