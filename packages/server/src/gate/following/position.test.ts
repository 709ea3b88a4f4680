import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { PortcullisError } from '@portcullis/contract';
import { createLog } from '../../telemetry/telemetry.ts';
import { numberPolicy } from '../policy/policy-number.ts';
import { acceptRestore, Position } from './position.ts';

const log = createLog({ role: 'gate', level: 'silent' });
const hash = 'a'.repeat(64);

function folder(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-position-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

test('where a gate stands survives it, with the highest time that the authority said', async (context) => {
  const file = join(folder(context), 'position.json');
  const position = new Position(file, log);
  assert.equal(position.held, undefined);
  position.raiseFloor(500);
  assert.equal(position.held, undefined, 'there is no floor without a history');
  position.move({ fleet: 'f', revision: 7, hash });
  position.raiseFloor(2_000);
  position.raiseFloor(1_000);
  position.move({ fleet: 'f', revision: 8, hash });
  await position.write();
  assert.deepEqual(new Position(file, log).held, { fleet: 'f', revision: 8, hash, clockFloor: 2_000 });
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test('E8: an accepted restore is noticed by the gate that runs, and by one that starts', async (context) => {
  const directory = folder(context);
  const file = join(directory, 'position.json');
  const position = new Position(file, log);
  position.move({ fleet: 'f', revision: 7, hash });
  assert.equal(await position.isForgotten(), false, 'what waits to be written is written first');
  assert.equal(await acceptRestore(directory), true);
  assert.equal(await acceptRestore(directory), false);
  const beside = readFileSync(join(directory, 'heads.before-restore-1.ndjson'), 'utf8');
  assert.match(beside, new RegExp(`^{"revision":7,"hash":"${hash}","time":"[^"]+Z"}\\n$`));
  assert.equal(await position.isForgotten(), true);
  assert.equal(position.held, undefined);
  assert.equal(new Position(file, log).held, undefined);
});

test('E8: a damaged file is not taken for "no history yet"', async (context) => {
  const directory = folder(context);
  const file = join(directory, 'position.json');
  writeFileSync(file, '{"fleet":"f","revision":');
  const damaged = (error: unknown) => error instanceof PortcullisError && error.code === 'store_damaged';
  assert.throws(() => new Position(file, log), damaged);
  assert.equal(await acceptRestore(directory), true, 'what can not be read is forgotten too');
});

test('files of a later version are read: members that are not known are ignored', async (context) => {
  const directory = folder(context);
  const file = join(directory, 'position.json');
  writeFileSync(file, JSON.stringify({ fleet: 'f', revision: 7, hash, clockFloor: 9, later: 1 }));
  assert.deepEqual(new Position(file, log).held, { fleet: 'f', revision: 7, hash, clockFloor: 9 });
  writeFileSync(join(directory, 'policy.json'), JSON.stringify({ number: 4, hash: 'one', later: 1 }));
  assert.equal(await numberPolicy(directory, 'one'), 4);
});

test('a disk that can not be written is survived, and told', async (context) => {
  const directory = folder(context);
  const position = new Position(join(directory, 'gone', 'position.json'), log);
  position.move({ fleet: 'f', revision: 7, hash });
  await position.write();
  assert.equal(position.held?.revision, 7);
});

test('J2: a policy keeps its number over restarts, and another one gets the next', async (context) => {
  const directory = folder(context);
  for (const [digest, number] of [
    ['one', 1],
    ['one', 1],
    ['other', 2],
    ['one', 3],
  ] as const) {
    assert.equal(await numberPolicy(directory, digest), number);
  }
  assert.match(readFileSync(join(directory, 'policy.json'), 'utf8'), /"number":3/);
});
