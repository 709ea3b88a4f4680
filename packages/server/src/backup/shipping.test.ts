import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pino } from 'pino';
import { eventually } from '../../test/house.ts';
import { openJournal } from '../journal/journal.ts';
import { createSqliteStore, openSqliteStore } from '../storage/storage.ts';
import { realSystem } from '../telemetry/telemetry.ts';
import { readSegment } from './segments.ts';
import { openShipping, type Shipping } from './shipping.ts';

/** A store that keeps what to ship, and a program that takes it. */
async function house(context: TestContext, script: string, words: string[] = []) {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-shipping-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const [home, far, program] = ['home', 'far', 'put'].map((name) => join(directory, name)) as [string, string, string];
  for (const one of [home, far]) mkdirSync(one);
  await (await createSqliteStore(home))[Symbol.asyncDispose]();
  writeFileSync(program, `#!/bin/sh\n${script}\n`);
  chmodSync(program, 0o700);
  const store = await openSqliteStore(home, { newId: () => '0123456789abcdef' });
  const journal = await openJournal({ store, system: realSystem, headFile: join(home, 'journal.head') });
  const to = [program, far, ...words];
  const parts = { fleet: 'fleet-1', to, store, journal, system: realSystem, log: pino({ level: 'silent' }) };
  const shipping = openShipping(parts);
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= shipping[Symbol.asyncDispose]();
    return closed;
  };
  context.after(async () => {
    await close();
    await journal[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
  });
  const note = (action: string) => journal.note({ actor: 'a', action }, async () => undefined);
  const segments = () => readdirSync(far).filter((name) => name.endsWith('.segment'));
  return { directory, far, shipping, close, note, segments };
}

const idle = async (shipping: Shipping) =>
  eventually(async () => (await shipping.state()).waiting === 0, 'nothing waits');

test('a program gets each segment whole, its name last and its own arguments before, without a shell', async (context) => {
  const words = ['$(reboot); *'];
  const { far, shipping, note, segments } = await house(
    context,
    'printf %s "$2" > "$1/said"; cat > "$1/$3.new" && mv "$1/$3.new" "$1/$3"',
    words,
  );
  await note('one');
  await idle(shipping);
  const [name = ''] = segments();
  const { fleet, first, changesets } = await readSegment(join(far, name));
  assert.deepEqual([fleet, first], ['fleet-1', 1]);
  assert.ok(changesets.length > 0);
  assert.equal(readFileSync(join(far, 'said'), 'utf8'), words[0]);
  const { directory, waitingSince, failingSince } = await shipping.state();
  assert.deepEqual([directory.endsWith(`${far} ${words[0]}`), waitingSince, failingSince], [true, null, null]);
});

test('what a program does not take waits, is told with why and since when, and is tried again until it is taken', async (context) => {
  const { far, shipping, note, segments } = await house(
    context,
    'test -e "$1/open" || { echo "no room" >&2; exit 7; }; cat > "$1/$2"',
  );
  await note('one');
  await eventually(async () => (await shipping.state()).failingSince !== null, 'it is told');
  const { waiting, waitingSince, why } = await shipping.state();
  assert.ok(waiting > 0 && waitingSince !== null);
  assert.match(why ?? '', /put" takes no segment: ".*put" exited with 7: no room$/);
  assert.deepEqual(segments(), []);
  writeFileSync(join(far, 'open'), '');
  await idle(shipping);
  await eventually(async () => (await shipping.state()).failingSince === null, 'it is over');
  assert.equal(segments().length, 1);
});

test('P13: a program that hangs keeps no authority from stopping, and loses nothing', async (context) => {
  const { shipping, close, note, far } = await house(context, 'touch "$1/began"; sleep 600');
  await note('one');
  await eventually(async () => readdirSync(far).includes('began'), 'it began');
  const before = performance.now();
  await close();
  assert.ok(performance.now() - before < 20_000);
  assert.ok((await shipping.state()).waiting > 0);
});
