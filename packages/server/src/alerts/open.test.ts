import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { AlertsQuery, AlertView } from '@portcullis/contract';
import { openRecords } from '../../test/records.ts';
import type { Raised } from './promises.ts';

const breach: Raised = {
  ...{ kind: 'breach', subject: 'load-1', key: 'cold-chain load-1', at: 1_000 },
  ...{ says: 'load-1 was warm for 12 minutes', detail: { rule: 'cold-chain', minutes: 12 } },
};

async function opened(context: TestContext) {
  const records = await openRecords(context);
  const { alerts } = records;
  const list = async (query: Partial<AlertsQuery> = {}) => (await alerts.list(AlertsQuery.parse(query))).items;
  return { ...records, list };
}

test('an alert is there with what caused it, and not without', async (context) => {
  const { store, alerts, list } = await opened(context);
  const failing = store.change(async (db) => {
    await alerts.raise(db, breach);
    throw new Error('no');
  });
  await assert.rejects(failing, /no/);
  assert.deepEqual(await list(), []);
  await store.change((db) => alerts.raise(db, breach));
  const [{ id, ...view } = assert.fail()] = await list();
  assert.match(id, /^[\w-]{16}$/);
  assert.deepEqual(view, {
    ...{ kind: 'breach', severity: 'critical', subject: 'load-1', at: '1970-01-01T00:00:01.000Z', settledAt: null },
    ...{ says: breach.says, detail: breach.detail, tellings: [] },
  });
  AlertView.parse({ id, ...view });
});

test('the same kind and key is one alert until it is settled, then another', async (context) => {
  const { store, alerts, list } = await opened(context);
  const raise = (alert: Raised) => store.change((db) => alerts.raise(db, alert));
  const settle = () => store.change((db) => alerts.settle(db, 'breach', breach.key, 5_000));
  await settle();
  await raise(breach);
  await raise({ ...breach, says: 'again', at: 2_000 });
  await raise({ ...breach, kind: 'silence' });
  await settle();
  await settle();
  await raise({ ...breach, at: 9_000 });
  const shown = (await list()).map(({ kind, at, settledAt, says }) => [kind, Date.parse(at), settledAt, says]);
  assert.deepEqual(shown, [
    ['breach', 9_000, null, breach.says],
    ['silence', 1_000, null, breach.says],
    ['breach', 1_000, '1970-01-01T00:00:05.000Z', breach.says],
  ]);
  assert.deepEqual((await list({ open: '1' })).length, 2);
  assert.deepEqual((await list({ kind: 'silence' })).length, 1);
  assert.deepEqual((await list({ subject: 'load-2' as never })).length, 0);
});

test('pages go on where the one before ended, the newest first', async (context) => {
  const { store, alerts } = await opened(context);
  await store.change(async (db) => {
    for (let index = 0; index < 5; index++) await alerts.raise(db, { ...breach, key: `${index}`, at: index });
  });
  const seen: string[] = [];
  for (let after: string | null | undefined; after !== null; ) {
    const page = await alerts.list(AlertsQuery.parse({ limit: 2, ...(after !== undefined && { after }) }));
    seen.push(...page.items.map(({ at }) => at));
    after = page.next;
  }
  assert.deepEqual(
    seen.map((at) => Date.parse(at)),
    [4, 3, 2, 1, 0],
  );
});

test('what an alert says is one line, and what it carries is bounded', async (context) => {
  const { store, alerts, list } = await opened(context);
  const says = `load\r\nBcc: everybody \u202e${'x'.repeat(5_000)}`;
  await store.change((db) => alerts.raise(db, { ...breach, says, detail: { text: 'y'.repeat(10_000) } }));
  const [shown] = await list();
  assert.match(shown?.says ?? '', /^load\\u\{d\}\\u\{a\}Bcc: everybody \\u\{202e\}x+$/);
  assert.ok((shown?.says.length ?? 0) < 1_100);
  assert.deepEqual(shown?.detail, { tooLarge: 10_011 });
});

test('a test is an alert, says who asked, and is in the journal', async (context) => {
  const { alerts, list, journal } = await opened(context);
  const id = await alerts.test({ actor: 'operator-1' }, { reason: 'new pager' });
  const [shown] = await list({ kind: 'test' });
  assert.deepEqual(
    [shown?.id, shown?.says, shown?.detail],
    [id, 'operator-1 looks whether alerts arrive', { reason: 'new pager' }],
  );
  const [entry] = await journal.entries(0, 10);
  assert.deepEqual([entry?.action, entry?.body], ['alerts.test', { reason: 'new pager', alert: id }]);
});

test('who works on alerts hears of each, and no more once it stopped', async (context) => {
  const { store, alerts } = await opened(context);
  let heard = 0;
  const stop = alerts.onWork(() => {
    heard++;
  });
  await store.change((db) => alerts.raise(db, breach));
  await store.change((db) => alerts.settle(db, 'breach', breach.key, 2_000));
  stop();
  await store.change((db) => alerts.raise(db, breach));
  assert.equal(heard, 2);
});
