import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { HeldHead } from '@portcullis/contract';
import { createLog, timestamp } from '../../telemetry/telemetry.ts';
import { Heads, setHeadsAside } from './heads.ts';

const startedAt = Date.UTC(2030, 0, 1);
const hour = 3_600_000;
const hashAt = (revision: number) => String(revision).padStart(64, '0');

function held(context: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-heads-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const at = { now: startedAt, revision: 1, follows: true };
  const log = createLog({ role: 'gate', level: 'silent' });
  const applied = () => (at.follows ? { revision: at.revision, hash: hashAt(at.revision) } : undefined);
  const open = () => new Heads({ directory, log, applied, now: () => at.now });
  const revisions = async (heads: Heads) => (await heads.kept()).map(({ revision }) => revision);
  return { directory, at, open, revisions, file: join(directory, 'heads.ndjson') };
}

test('P12: a head is kept an hour, where there is a new one, while the gate follows', async (context) => {
  const { at, open, revisions, file } = held(context);
  const heads = open();
  await heads.look();
  at.revision = 2;
  await heads.look();
  assert.deepEqual(await heads.kept(), [{ revision: 1, hash: hashAt(1), time: timestamp(startedAt) }]);
  at.now += hour;
  await heads.look();
  at.now += 2 * hour;
  await heads.look();
  at.revision = 3;
  at.follows = false;
  await heads.look();
  assert.deepEqual(await revisions(heads), [1, 2]);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  at.follows = true;
  at.now -= 9 * hour;
  await heads.look();
  assert.deepEqual(await revisions(heads), [1, 2, 3], 'also by a clock that was set back');
});

test('another process goes on where the last one ended, also in the middle of a line', async (context) => {
  const { at, open, revisions, file } = held(context);
  await open().look();
  appendFileSync(file, '{"revision":2,"ha');
  at.revision = 2;
  const next = open();
  await next.look();
  assert.deepEqual(await revisions(next), [1], 'the hour is not over');
  at.now += hour;
  await next.look();
  assert.deepEqual(await revisions(next), [1, 2]);
  assert.match(readFileSync(file, 'utf8'), /^(\{[^\n]*\}\n){2}$/);
});

test('they take a bounded place: one full file beside the one that grows', async (context) => {
  const { at, open, revisions, directory, file } = held(context);
  const line = (revision: number) =>
    `{"revision":${revision},"hash":"${hashAt(revision)}","time":"${timestamp(startedAt)}"}\n`;
  const heads = () => Array.from({ length: 4_380 }, (_, index) => line(index + 1)).join('');
  writeFileSync(file, heads());
  at.revision = 5_000;
  at.now += hour;
  const first = open();
  await first.look();
  assert.equal((await revisions(first)).length, 4_381);
  writeFileSync(file, heads());
  at.revision = 6_000;
  at.now += hour;
  const next = open();
  await next.look();
  assert.equal((await revisions(next)).length, 4_381);
  assert.deepEqual(readdirSync(directory), ['heads.1.ndjson', 'heads.ndjson']);
});

test('after a restore that is accepted none of the other history is served; they stay beside, with the last that was seen', async (context) => {
  const { at, open, revisions, directory, file } = held(context);
  const last = (revision: number) => ({ revision, hash: hashAt(revision), time: timestamp(at.now) });
  const beside = (count: number) =>
    readFileSync(join(directory, `heads.before-restore-${count}.ndjson`), 'utf8')
      .trim()
      .split('\n')
      .map((line) => HeldHead.parse(JSON.parse(line)).revision);
  await open().look();
  appendFileSync(file, '{"revision":2,"ha');
  await setHeadsAside(directory, last(12));
  assert.deepEqual(beside(1), [1, 12], 'of this hour none was due yet');
  at.now += hour;
  at.revision = 1_000;
  const heads = open();
  assert.deepEqual(await revisions(heads), []);
  await heads.look();
  await setHeadsAside(directory, last(1_000));
  assert.deepEqual(beside(2), [1_000], 'the same is kept once');
  await setHeadsAside(directory, undefined);
  assert.deepEqual(readdirSync(directory), ['heads.before-restore-1.ndjson', 'heads.before-restore-2.ndjson']);
});
