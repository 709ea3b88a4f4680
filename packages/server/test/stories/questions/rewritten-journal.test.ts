/** Somebody with all of the authority's machine rewrites the past: journal, head row and head file, each in keeping with the others. */
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { entryHash } from '../../../src/journal/entry-hash.ts';
import { readHeadFile, writeHeadFile } from '../../../src/journal/head-file.ts';
import { openSqliteStore, type Writer } from '../../../src/storage/storage.ts';
import { eventually, House } from '../../house.ts';

let house: House;
before(async () => {
  house = await House.open();
});
after(() => house?.close());

const home = () => join(house.fleet, 'authority');
const headsFile = () => join(house.fleet, 'gate/heads.ndjson');
const verify = (...words: string[]) => house.portcullis('journal', 'verify', house.fleet, ...words, '--json');

interface Found {
  valid: true;
  headFile: boolean;
  headsGiven: number;
  gates: Record<string, number>;
  notAsked: Record<string, string>;
}

/** As an operator notes it from what the journal shows. */
async function notedHead(revision: number): Promise<string> {
  const entries = await house.json<{ revision: number | null; hash: string }>('journal', 'show');
  return `${revision}:${entries.find((entry) => entry.revision === revision)?.hash}`;
}

/** Edits one entry, and makes everything that lies on this machine fit: each hash after it, the stored head, the head outside. */
async function rewrite(position: number, edit: (body: string) => string): Promise<void> {
  await using store = await openSqliteStore(home());
  const head = await store.change(async (db: Writer) => {
    const rows = await db.selectFrom('journal').selectAll().orderBy('position').execute();
    let previousHash = rows[0]?.previousHash as string;
    let revisionHash = previousHash;
    for (const row of rows) {
      const next = { ...row, previousHash, body: row.position === position ? edit(row.body) : row.body };
      next.hash = entryHash(next);
      previousHash = next.hash;
      if (row.revision !== null) revisionHash = next.hash;
      await db.updateTable('journal').set(next).where('position', '=', row.position).execute();
    }
    await db.updateTable('head').set({ hash: previousHash, revisionHash }).execute();
    return db.selectFrom('head').selectAll().executeTakeFirstOrThrow();
  });
  const { id: _id, ...told } = head;
  await writeHeadFile(join(home(), 'journal.head'), told);
}

test('P12: what was rewritten as a whole is found by the head of a gate, by a copy of its file, and by a head that was noted', async () => {
  await house.device('truck-17');
  const { revision } = await house.change('attribute', 'set', 'truck-17', 'status=off', '--reason', 'stolen');
  const noted = await notedHead(revision);
  await eventually(async () => (await verify(`--head=${headsFile()}`)).status === 0, 'the gate keeps its first head');
  const copy = join(house.home, 'journal.head');
  cpSync(join(home(), 'journal.head'), copy);

  const whole = await verify('--head', noted, '--head', copy, '--head', headsFile());
  const found = JSON.parse(whole.out) as Found;
  assert.deepEqual([whole.status, found.headFile, found.headsGiven, found.notAsked], [0, true, 3, {}], whole.out);
  assert.equal(found.gates['gate-1'], 2, 'the one that it kept, and what it holds now');

  await house.authority?.stop();
  await rewrite(1, (body) => body.replace('{', '{ '));
  const file = readHeadFile(join(home(), 'journal.head'));
  assert.ok(file && file.hash !== readHeadFile(copy)?.hash);
  assert.equal((await verify('--no-gates')).status, 0, 'all that lies here was made to fit');
  for (const [words, why] of [
    [[], /gate-1 holds another hash of this entry/],
    [['--no-gates', '--head', noted], new RegExp(`${noted} holds another hash`)],
    [['--no-gates', '--head', copy], /journal\.head holds another hash/],
    [['--no-gates', '--head', headsFile()], /heads\.ndjson holds another hash/],
  ] as const) {
    const { status, out } = await verify(...words);
    const { error, message } = JSON.parse(out) as { error: string; message: string };
    assert.deepEqual([status, error], [1, 'journal_damaged'], out);
    assert.match(message, why);
  }
});

test('P12: the gate tells its heads also while it has no lease and does not believe the authority', async () => {
  await house.startAuthority();
  await house.gate?.line(/revision_regressed/);
  const { out } = await verify();
  assert.match((JSON.parse(out) as { message: string }).message, /gate-1 holds another hash/);
  await house.gate?.stop();
  const without = await verify();
  assert.equal(without.status, 0, 'nobody was there to say otherwise');
  assert.match((JSON.parse(without.out) as Found).notAsked['gate-1'] ?? '', /reached/);
});

test('a head that is none, and a file without one, is wrong usage', async () => {
  for (const head of ['17', '17:abc', '/nowhere', join(house.fleet, 'gate.yaml')]) {
    assert.equal((await verify('--head', head)).status, 2, head);
  }
});
