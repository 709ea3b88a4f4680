import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Journal, openJournal, readHeadFile, verifyJournal } from '../../src/journal/journal.ts';
import { fileSeal } from '../../src/keys/keys.ts';
import { openSqliteStore, type Store } from '../../src/storage/storage.ts';
import { realSystem } from '../../src/telemetry/telemetry.ts';
import { openRecords, putCertificate, putSubject } from '../records.ts';

/** A change that the process said was answered. */
export type Answered = { revision: number; subject: string } & (
  | { value: number }
  | { standing: string }
  | { made: string; replaced: string[] }
);

const program = fileURLToPath(new URL('./changing-process.ts', import.meta.url));

/** Lets the process change things until it has answered so many, kills it, and returns all that it answered. */
async function changeUntilKilled(directory: string, answersMin: number): Promise<Answered[]> {
  const options = ['--conditions=portcullis-source', program, directory];
  const child = spawn(process.execPath, options, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = once(child, 'exit');
  const answered: Answered[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    answered.push(JSON.parse(line) as Answered);
    if (answered.length === answersMin) child.kill('SIGKILL');
  }
  assert.deepEqual(await exit, [null, 'SIGKILL']);
  return answered;
}

async function prepared(context: TestContext): Promise<string> {
  const records = await openRecords(context);
  await putSubject(records, 'operator-1', 'operator');
  await putCertificate(records, 'operator-1', 'of the operator');
  for (let index = 0; index < 100; index++) await putSubject(records, `device-${index}`);
  for (let index = 0; index < 4; index++) await putCertificate(records, `device-${index}`, `of ${index}`);
  await records.journal[Symbol.asyncDispose]();
  await records.store[Symbol.asyncDispose]();
  return records.directory;
}

/** Each answered change left its mark in the history and in the journal, under its own revision. */
async function requireAnswered(store: Store, journal: Journal, answered: Answered[]): Promise<void> {
  for (const one of answered) {
    const record = await journal.changeAt(one.revision);
    assert.ok(record, `revision ${one.revision} was answered and is gone`);
    if (one.subject === 'all') assert.equal(record.subjects.length, 100);
    else if ('made' in one) {
      const certificates = record.subjects[0]?.certificates?.map(({ fingerprint, standing }) => [
        fingerprint,
        standing,
      ]);
      const replaced = one.replaced.map((fingerprint) => [fingerprint, 'superseded']);
      assert.deepEqual(certificates, [...replaced, [one.made, 'valid']]);
    } else if ('standing' in one) assert.equal(record.subjects[0]?.certificates?.[0]?.standing, one.standing);
    else {
      const row = await store.read((db) =>
        db.selectFrom('attributeHistory').selectAll().where('revision', '=', one.revision).executeTakeFirstOrThrow(),
      );
      assert.deepEqual([row.subject, row.name, row.value], [one.subject, 'counter', String(one.value)]);
    }
  }
}

/** What the tables hold now is what the journal says happened last. */
async function requireTablesOfJournal(store: Store, journal: Journal): Promise<void> {
  const values = new Map<string, string>();
  const standings = new Map<string, string>();
  for (const { revision, subjects } of await journal.changes(0, 1_000_000)) {
    for (const { subject, attributes = {}, certificates = [] } of subjects) {
      for (const [name, { value }] of Object.entries(attributes))
        values.set(`${subject} ${name}`, JSON.stringify(value));
      for (const { fingerprint, standing } of certificates) standings.set(fingerprint, `${standing} ${revision}`);
    }
  }
  await store.read(async (db) => {
    const rows = await db.selectFrom('attributes').selectAll().execute();
    assert.deepEqual(
      new Map(rows.map((row) => [`${row.subject} ${row.name}`, row.value])),
      new Map([...values].sort()),
    );
    for (const row of await db.selectFrom('certificates').selectAll().where('revision', '>', 0).execute()) {
      assert.equal(`${row.standing} ${row.revision}`, standings.get(row.fingerprint));
    }
  });
}

/** Each key credential that could still be used has its secret, which opens, and no other has one. */
async function requireSecrets(directory: string, store: Store): Promise<void> {
  const seal = fileSeal(join(directory, 'credentials.key'), realSystem);
  const { kept, usable } = await store.read(async (db) => ({
    kept: await db.selectFrom('keyCredentials').selectAll().execute(),
    usable: await db
      .selectFrom('certificates')
      .select('fingerprint')
      .where('form', '=', 'oscore')
      .where('standing', 'in', ['valid', 'suspended'])
      .execute(),
  }));
  assert.deepEqual(
    kept.map(({ fingerprint }) => fingerprint),
    usable.map(({ fingerprint }) => fingerprint),
  );
  for (const { fingerprint, sealed } of kept) assert.equal((await seal.open(sealed, fingerprint)).length, 24);
}

test('P8 P12: kill -9 in the middle of many changes: what was answered is there, the rest is whole, and the journal verifies', async (context) => {
  const directory = await prepared(context);
  const answered: Answered[] = [];
  for (const answersMin of [1, 40, 173, 400]) {
    answered.push(...(await changeUntilKilled(directory, answersMin)));
    await using store = await openSqliteStore(directory);
    const system = { now: () => 0, monotonic: () => 0, random: () => Buffer.alloc(0) };
    await using journal = await openJournal({ store, system });
    const headFile = readHeadFile(join(directory, 'journal.head'));
    assert.ok(headFile);
    const { position, hash } = headFile;
    const { broken, entries } = await verifyJournal(store, [{ position, hash }, journal.head()]);
    assert.equal(broken, undefined);
    assert.equal(entries, journal.head().position);
    await requireAnswered(store, journal, answered);
    await requireTablesOfJournal(store, journal);
    await requireSecrets(directory, store);
  }
  context.diagnostic(`${answered.length} changes were answered before four kills`);
});
