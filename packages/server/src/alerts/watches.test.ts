import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type AlertKind, AlertsQuery } from '@portcullis/contract';
import { pino } from 'pino';
import { certificateRow, openRecords, putCertificate, putSubject, startedAt } from '../../test/records.ts';
import { expiringCertificates } from '../revocation/revocation.ts';
import { lookAtCertificates, lookAtJournal, type WatchParts } from './watches.ts';

const day = 86_400_000;

async function opened(context: TestContext) {
  const records = await openRecords(context);
  let verified: { at: string; whole: boolean } | undefined;
  const log = pino({ level: 'silent' });
  const parts: WatchParts = {
    ...records,
    log,
    expiringMs: 7 * day,
    expiring: expiringCertificates,
    verified: () => verified,
  };
  const list = async (kind: AlertKind) =>
    (await records.alerts.list(AlertsQuery.parse({ kind }))).items.map(({ subject, settledAt }) => [
      subject,
      settledAt,
    ]);
  const find = (found: typeof verified) => {
    verified = found;
  };
  return { ...records, parts, list, find };
}

test('a certificate that ends soon rings once, until another takes its place, it is cut, or it has ended', async (context) => {
  const { parts, list, clock, store, ...records } = await opened(context);
  const put = (subject: string, name: string, days: number, given = {}) =>
    putCertificate({ ...records, store, clock }, subject, name, { notAfter: startedAt + days * day, ...given });
  for (const id of ['renewed', 'cut', 'ending', 'ready', 'far']) await putSubject({ ...records, store, clock }, id);
  for (const id of ['renewed', 'cut', 'ending']) await put(id, `${id}-1`, 6);
  await put('ready', 'ready-1', 6);
  await put('ready', 'ready-2', 40);
  await put('ready', 'ready-server', 1, { purpose: 'server' });
  await put('far', 'far-1', 8);
  await lookAtCertificates(parts);
  await lookAtCertificates(parts);
  const open = [
    ['cut', null],
    ['ending', null],
    ['renewed', null],
  ];
  assert.deepEqual((await list('certificate_expiring')).toSorted(), open);
  await put('renewed', 'renewed-2', 36);
  await store.change((db) =>
    db.updateTable('certificates').set({ standing: 'revoked' }).where('subject', '=', 'cut').execute(),
  );
  await lookAtCertificates(parts);
  const shown = Object.fromEntries(await list('certificate_expiring'));
  const now = new Date(startedAt).toISOString();
  assert.deepEqual(shown, { ending: null, renewed: now, cut: now });
  clock.now += 6 * day;
  await lookAtCertificates(parts);
  assert.deepEqual(
    (await list('certificate_expiring')).filter(([, settledAt]) => settledAt === null),
    [['far', null]],
  );
});

test('of many that end in the same moment each rings', async (context) => {
  const { parts, store, ...records } = await opened(context);
  const rows = Array.from({ length: 250 }, (_, index) => index);
  await putSubject({ ...records, store }, 'truck-0');
  await store.change(async (db) => {
    for (const index of rows) {
      const subject = { id: `t-${index}`, kind: 'device', createdAt: 0, revision: 0, hosts: null, url: null };
      await db.insertInto('subjects').values(subject).execute();
      await db
        .insertInto('certificates')
        .values(certificateRow(subject.id, subject.id, { notAfter: startedAt + day }))
        .execute();
    }
  });
  await lookAtCertificates(parts);
  const { count } = await store.read((db) =>
    db
      .selectFrom('alerts')
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow(),
  );
  assert.equal(count, 250);
});

test('a journal whose end was edited rings until it is whole, and so does what somebody found who looked at all of it', async (context) => {
  const { parts, list, find, store, journal } = await opened(context);
  await journal.note({ actor: 'a', action: 'seen' }, async () => undefined);
  await lookAtJournal(parts);
  assert.deepEqual(await list('journal_damaged'), []);
  const edit = (action: string) => store.change((db) => db.updateTable('journal').set({ action }).execute());
  await edit('unseen');
  await lookAtJournal(parts);
  await lookAtJournal(parts);
  assert.deepEqual(await list('journal_damaged'), [[null, null]]);
  await edit('seen');
  await lookAtJournal(parts);
  assert.equal((await list('journal_damaged'))[0]?.[1], new Date(startedAt).toISOString());
  find({ at: '2030-01-01T00:00:00.000Z', whole: false });
  await lookAtJournal(parts);
  assert.equal((await list('journal_damaged')).length, 2);
});
