/**
 * The whole of it, on the clock that everybody has: a fleet whose root and issuers live eleven minutes and its devices' certificates forty seconds
 * goes from its first root to past the end of that. Nobody moves a date or a clock: processes renew by themselves, and devices sleep through phases.
 */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ReadingView, RolloversView, RolloverView } from '@portcullis/contract';
import { credentialFileIn, enrol, readCredential } from '@portcullis/device';
import { eventually } from '../../packages/server/test/house.ts';
import { type Finished, finished, freeBasePort, launchOf, Running, succeeded } from '../../tools/commands.ts';
import { standStill } from '../standstill.ts';
import { shortLived } from './house.ts';

const home = mkdtempSync(join(tmpdir(), 'portcullis-minutes-'));
const fleet = join(home, 'fleet');
const device = launchOf('portcullis-device');
/** What a phase takes is what its certificates live, and some more on a machine that does other things too. */
const phaseMs = 240_000;
const lives = ['11', '40'];
const names = ['awake-1', 'awake-2', 'asleep', 'off'] as const;
type Name = (typeof names)[number];

const servers: Running[] = [];
const running = new Map<Name, Running>();
/** What the processes of a device said at their end: together, and what the last of them still kept. */
const acknowledged = new Map<Name, number>();
const kept = new Map<Name, number>();

const portcullis = (...words: string[]) => succeeded('portcullis', ...words, '--fleet', fleet);
const listed = async <Item>(...words: string[]) =>
  (await portcullis(...words, '--json'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Item);
const readings = (...words: string[]) => listed<ReadingView>('readings', ...words);
const rollover = async () => JSON.parse(await portcullis('rollover', 'status', '--json')) as RolloversView;
const latest = async () => (await rollover()).items[0] as RolloverView;
const held = (name: Name) => readCredential(credentialFileIn(join(home, name)));
const issuerOf = (name: Name) => new X509Certificate(held(name).certificate).issuer;
let firstRootEndsAt = 0;

async function serve(server: Running, role: string): Promise<void> {
  servers.push(server);
  await server.line(new RegExp(`^${role} listening`));
}

const run = (name: Name) =>
  running.set(name, new Running(device, 'run', '--metrics', '--interval', '1', '--device', join(home, name)));

async function end(name: Name): Promise<void> {
  const process = running.get(name);
  const told = process?.line(/^acknowledged \d+, refused 0, kept \d+$/);
  await process?.stop();
  const [count = 0, left = 0] =
    /^acknowledged (\d+), refused 0, kept (\d+)$/
      .exec((await told) ?? '')
      ?.slice(1)
      .map(Number) ?? [];
  acknowledged.set(name, (acknowledged.get(name) ?? 0) + count);
  kept.set(name, left);
  running.delete(name);
}

/** Tries until it is done; a failure tells the last refusal. */
async function until(...words: string[]): Promise<void> {
  let said: Finished | undefined;
  const isDone = async () => {
    said = await finished('portcullis', ...words, '--fleet', fleet);
    return said.status === 0;
  };
  await eventually(isDone, words.join(' '), phaseMs).catch((error: Error) =>
    assert.fail(`${error.message}: ${said?.error}`),
  );
}

/** From `start` to `issuing`. Nothing is forced. */
async function begin(what: string): Promise<void> {
  await portcullis('rollover', 'start', what);
  await until('rollover', 'advance');
  await portcullis('rollover', 'advance');
  assert.equal((await latest()).phase, 'issuing');
}

async function retire(): Promise<void> {
  await until('rollover', 'retire');
  await eventually(async () => (await latest()).phase === 'retired', 'it is retired', phaseMs);
}

const belowNew = (name: Name, issuer: string) =>
  eventually(() => issuerOf(name).includes(issuer), `${name} has a certificate of ${issuer}`, phaseMs);

/** What they measure from now on is stored. */
async function requireAdmitted(...wanted: Name[]): Promise<void> {
  const since = Date.now();
  await eventually(
    async () => {
      const last = await readings('--last', '100');
      const isFresh = ({ deviceTime }: ReadingView) => Date.parse(deviceTime ?? '') > since;
      return wanted.every((name) => last.some((one) => one.subject === name && isFresh(one)));
    },
    `readings of ${wanted.join(', ')} are stored`,
  );
}

before(async () => {
  const port = await freeBasePort();
  await finished(shortLived, 'init', fleet, ...lives, String(port)).then(({ status, error }) =>
    assert.equal(status, 0, error),
  );
  firstRootEndsAt = Date.parse(new X509Certificate(readFileSync(join(fleet, 'root.pem'))).validTo);
  await serve(new Running(shortLived, 'authority', fleet, ...lives), 'authority');
  for (const role of ['gate', 'desk']) await serve(new Running('portcullis', 'start', role, fleet), role);
  for (const name of names) {
    const token = await portcullis('token', 'create', name);
    await enrol({ token, directory: join(home, name) });
    run(name);
  }
});
after(async () => {
  for (const process of [...running.values(), ...servers.toReversed()]) await process.stop();
  rmSync(home, { recursive: true, force: true });
});

test('the issuer of devices is followed, and one of them sleeps from before it until its certificate has ended', async () => {
  await requireAdmitted('asleep');
  standStill(running.get('asleep')?.process.pid);
  const endsAt = Date.parse(held('asleep').notAfter);
  await begin('device');
  for (const name of ['awake-1', 'awake-2', 'off'] as const) await belowNew(name, 'device-2 issuer');
  await retire();
  await eventually(() => Date.now() > endsAt, 'its certificate has ended', phaseMs);
  assert.doesNotMatch(issuerOf('asleep'), /device-2/);
  running.get('asleep')?.process.kill('SIGCONT');
  await belowNew('asleep', 'device-2 issuer');
  await requireAdmitted(...names);
});

test('the issuer of infrastructure is followed: gate, desk and operator renew, and readings go on', async () => {
  await begin('infrastructure');
  await until('operator', 'renew');
  await retire();
  await requireAdmitted(...names);
});

test('the root is followed, with a device that is off until it issues: it comes back by the old root, and goes on by the new one', async () => {
  await end('off');
  await portcullis('rollover', 'start', 'root');
  await until('operator', 'renew');
  const endsAt = Date.parse(held('off').notAfter);
  await eventually(() => Date.now() > endsAt, 'its certificate has ended', phaseMs);
  // It may still renew, and is named until it does.
  await until('rollover', 'advance', '--without', 'off');
  await portcullis('rollover', 'advance');
  run('off');
  for (const name of names) await belowNew(name, 'device-3 issuer');
  await until('operator', 'renew');
  await retire();
  await requireAdmitted(...names);
});

test('past the end of the first root everybody is admitted by what came after it; nothing that was measured is lost, and it came all the time', async () => {
  await eventually(() => Date.now() > firstRootEndsAt, 'the first root has ended', 12 * 60_000);
  await requireAdmitted(...names);
  await Promise.all(names.map(end));
  const stored = Map.groupBy(await readings(), ({ subject }) => subject as string);
  for (const name of names) {
    const own = stored.get(name) ?? [];
    const [count = 0, left = 0] = [acknowledged.get(name), kept.get(name)];
    const found = new Set(own.map(({ id }) => id)).size;
    // What was under way at the end may be stored all the same.
    assert.ok(count > 0 && found >= count && found <= count + left, `${name}: ${found} of ${count}, and ${left}`);
    for (const [run, one] of Map.groupBy(own, ({ run }) => run)) {
      const numbers = one.map(({ sequence }) => sequence ?? 0).sort((first, second) => first - second);
      assert.equal((numbers.at(-1) ?? 0) - (numbers[0] ?? 0) + 1, numbers.length, `${name}, run ${run}`);
    }
  }
  for (const name of ['awake-1', 'awake-2']) assert.ok(longestMs(stored.get(name) ?? []) < 60_000, name);
  const { items } = await rollover();
  assert.deepEqual(
    items.map(({ what, phase }) => `${what} ${phase}`),
    ['root retired', 'infrastructure retired', 'device retired'],
  );
});

/** Between two readings that were received one after another. */
function longestMs(readings: readonly ReadingView[]): number {
  const times = readings.map(({ receivedAt }) => Date.parse(receivedAt)).sort((one, other) => one - other);
  return Math.max(...times.slice(1).map((at, place) => at - (times[place] as number)));
}
