/** What is backed up comes back, whole or not at all. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, before, test } from 'node:test';
import { FleetName } from '@portcullis/contract';
import { finished, freeBasePort, succeeded } from '../../../../tools/commands.ts';
import { assembleRecords } from '../assemble.ts';
import { loadFleetConfig } from '../config/config.ts';
import { openSqliteStore, readSqliteStore } from '../storage/storage.ts';
import { aTurn } from '../telemetry/telemetry.ts';
import { runTo } from './cli.ts';
import { makeFleetDirectory } from './fleet-directory.ts';

const home = mkdtempSync(join(tmpdir(), 'portcullis-backup-'));
const fleet = join(home, 'fleet');
const file = join(home, 'fleet.backup');
let counter = 0;
const fresh = () => join(home, `restored-${++counter}`);

async function run(...words: string[]) {
  const [out, side] = [new PassThrough({ encoding: 'utf8' }), new PassThrough({ encoding: 'utf8' })];
  const status = await runTo(out, side, [...words, '--json']);
  return { status, told: JSON.parse(String(out.read() ?? '{}')) as Record<string, unknown> };
}

async function refused(code: string, said: RegExp, ...words: string[]): Promise<void> {
  const { status, told } = await run(...words);
  assert.deepEqual([status, told.error], [code === 'usage' ? 2 : 1, code], JSON.stringify(told));
  assert.match(String(told.message), said);
}

const others = ['operator-renewal/credential.json', 'operators/anna/operator.json', 'operators/anna/pending.json'];

before(async () => {
  const basePort = await freeBasePort();
  await makeFleetDirectory(fleet, { fleet: FleetName.parse('fleet-1'), basePort, hosts: undefined });
  mkdirSync(join(fleet, 'rules'));
  writeFileSync(join(fleet, 'rules/cold.yaml'), '# none\n');
  // As "operator add" and a renewal that was cut off leave them: keys, as the first operator's is.
  for (const folder of ['operators/anna', 'operator-renewal']) mkdirSync(join(fleet, folder), { recursive: true });
  for (const name of others) writeFileSync(join(fleet, name), '{}');
  // As "portcullis up" leaves them: whoever runs it here is nobody there.
  for (const name of ['up.lock', 'up.lock.pid']) writeFileSync(join(fleet, name), '4711');
  await using stack = new AsyncDisposableStack();
  // While the store is held, as by an authority that runs.
  const { enrolment, attributes } = await assembleRecords(fleet, loadFleetConfig(fleet), stack);
  const by = { actor: 'operator-1' };
  const token = { subject: 'truck-17', kind: 'device' as const, expiresSeconds: 3_600 };
  await enrolment.createTokens(by, { tokens: [token as never] });
  await attributes.change(by, { subjects: ['truck-17' as never], set: { site: 'berlin' } } as never);
  const made = await run('backup', file, '--fleet', fleet);
  assert.equal(made.status, 0, JSON.stringify(made.told));
  assert.equal(made.told.sha256, createHash('sha256').update(readFileSync(file)).digest('hex'));
  assert.ok((made.told.keysLeftOut as string[]).includes('authority/keys/issuer-device.pem'));
});
after(() => rmSync(home, { recursive: true, force: true }));

const membersOf = (backup: string) => execFileSync('tar', ['tf', backup], { encoding: 'utf8' }).trim().split('\n');

test('a backup is for its owner alone, tar reads it, and it holds no key that was not asked for', async () => {
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const without = ['manifest.json', 'authority/store.db', 'desk.yaml', 'fleet.yaml', 'gate.yaml', 'root.pem'];
  assert.deepEqual(membersOf(file), [...without, 'rules/cold.yaml']);
  const withKeys = join(home, 'keys.backup');
  const { told } = await run('backup', withKeys, '--with-keys', '--fleet', fleet);
  assert.deepEqual(told.keysLeftOut, ['authority/keys/root.pem'], "the root's key is never in it");
  const keys = [
    ...others.slice(0, 1),
    'operator.json',
    ...others.slice(1),
    'authority/keys/issuer-device.pem',
    'authority/keys/issuer-infrastructure.pem',
  ];
  assert.deepEqual(
    membersOf(withKeys)
      .filter((name) => !membersOf(file).includes(name))
      .toSorted(),
    keys.toSorted(),
  );
  await refused('file_unusable', /there already/, 'backup', file, '--fleet', fleet);
  const nowhere = join(home, 'nowhere', 'fleet.backup');
  const named = new RegExp(`^"${nowhere}" can not be made: there is no directory "${join(home, 'nowhere')}"$`);
  await refused('file_unusable', named, 'backup', nowhere, '--fleet', fleet);
  assert.deepEqual(
    readdirSync(home).filter((name) => name.includes('.new-')),
    [],
  );
});

test('P9: what comes back is the store as it was; tokens that may have been used since, and leases that may run, are taken for the worse', async () => {
  const restored = fresh();
  const nowhere = join(home, 'nowhere');
  await refused('file_unusable', /nowhere" is no directory of keys/, 'restore', file, fresh(), '--keys', nowhere);
  const keys = join(fleet, 'authority/keys');
  const { status, told } = await run('restore', file, restored, '--keys', keys);
  assert.equal(status, 0, JSON.stringify(told));
  assert.deepEqual([told.tokensVoided, told.keysMissing], [1, [...others, 'operator.json'].toSorted()]);
  assert.equal(statSync(join(restored, 'authority/keys/issuer-device.pem')).mode & 0o777, 0o600);
  assert.equal(readFileSync(join(restored, 'fleet.yaml'), 'utf8'), readFileSync(join(fleet, 'fleet.yaml'), 'utf8'));
  await using stack = new AsyncDisposableStack();
  const { attributes, store, journal } = await assembleRecords(restored, loadFleetConfig(restored), stack);
  assert.equal((await attributes.read('truck-17')).attributes.find(({ name }) => name === 'site')?.value, 'berlin');
  const horizon = await store.read((db) =>
    db.selectFrom('settings').select('value').where('name', '=', 'leaseHorizonMs').executeTakeFirstOrThrow(),
  );
  assert.equal(Number(horizon.value), 5_000);
  assert.equal(journal.head().revision, told.revision, 'the restore itself is a note');
  assert.equal((await journal.entries(journal.head().position - 1, 1))[0]?.action, 'fleet.restore');
});

test('what is cut anywhere, or has another byte anywhere, is refused and leaves nothing', async () => {
  const whole = readFileSync(file);
  const other = join(home, 'other.backup');
  const target = fresh();
  const lengths = [0, 511, 512, 1_000, 2_048, whole.length / 2, whole.length - 1_025, whole.length - 1];
  for (const length of lengths) {
    writeFileSync(other, whole.subarray(0, length));
    await refused('backup_damaged', /other\.backup" (is cut off within|has no list)/, 'restore', other, target);
  }
  for (let at = 7; at < whole.length; at += 29_989) {
    const altered = Buffer.from(whole);
    altered[at] = (altered[at] as number) ^ 0x80;
    writeFileSync(other, altered);
    await refused('backup_damaged', /other\.backup" /, 'restore', other, target);
  }
  writeFileSync(other, Buffer.concat([whole, Buffer.alloc(512)]));
  await refused('backup_damaged', /after its end/, 'restore', other, target);
  await refused('backup_damaged', /SHA-256/, 'restore', file, target, '--sha256', '0'.repeat(64));
  await refused(
    'usage',
    /"xyz" is no SHA-256: --sha256 takes 64 hex digits/,
    'restore',
    file,
    target,
    '--sha256',
    'xyz',
  );
  await refused(
    'backup_damaged',
    /0:0+ holds another|revision|saw are missing/,
    'restore',
    file,
    target,
    '--head',
    `9:${'1'.repeat(64)}`,
  );
  assert.deepEqual([existsSync(target), readdirSync(home).filter((name) => name.includes('.new-'))], [false, []]);
});

test('what a backup holds nothing of says what makes it', async () => {
  const restored = fresh();
  await run('restore', file, restored);
  for (const kind of ['gate', 'desk']) {
    const { status, error } = await finished('portcullis', 'start', kind, restored);
    assert.equal(status, 1);
    assert.match(error, new RegExp(`this ${kind} has no credential; .*"portcullis ${kind} join .*fleet_missing`));
  }
});

test('a directory that holds something is left as it is', async () => {
  await refused('fleet_exists', /not empty/, 'restore', file, fleet);
});

test('a store whose journal does not hold is not backed up', async () => {
  const bad = fresh();
  mkdirSync(join(bad, 'authority'), { recursive: true });
  copyFileSync(join(fleet, 'fleet.yaml'), join(bad, 'fleet.yaml'));
  copyFileSync(join(fleet, 'authority/store.db'), join(bad, 'authority/store.db'));
  const store = await openSqliteStore(join(bad, 'authority'));
  await store.change((db) => db.updateTable('journal').set({ actor: 'nobody' }).where('position', '=', 2).execute());
  await store[Symbol.asyncDispose]();
  await refused('journal_damaged', /entry 2/, 'backup', join(home, 'bad.backup'), '--fleet', bad);
  assert.ok(!existsSync(join(home, 'bad.backup')));
});

test('a backup is one committed state, whatever is written meanwhile', async () => {
  const store = await openSqliteStore(join(fleet, 'authority'));
  let writing = true;
  const written = (async () => {
    let count = 0;
    for (; writing; count++) {
      const pair = ['one', 'two'].map((word) => ({ name: `${word}-${count}`, value: '' }));
      await store.change((db) => db.insertInto('settings').values(pair).execute());
      await aTurn();
    }
    return count;
  })();
  const during = join(home, 'during.backup');
  const restored = fresh();
  await succeeded('portcullis', 'backup', during, '--fleet', fleet);
  writing = false;
  assert.ok((await written) > 0);
  await store[Symbol.asyncDispose]();
  assert.equal((await run('restore', during, restored)).status, 0);
  const names = await readSqliteStore(join(restored, 'authority')).snapshot((db) =>
    db.selectFrom('settings').select('name').execute(),
  );
  const count = (word: string) => names.filter(({ name }) => name.startsWith(word)).length;
  assert.equal(count('one-'), count('two-'));
});
