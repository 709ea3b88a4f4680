/**
 * A small fleet that nobody looks after: what it made for itself it makes anew for years. A year before its issuers end it rings; what
 * follows them carries it on, and without that it says why it signs nothing any more.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from 'node:tls';
import type { AlertView, ReadingView } from '@portcullis/contract';
import { type Credential, credentialFileIn, readCredential } from '@portcullis/device';
import {
  type Finished,
  finished,
  freeBasePort,
  type Launch,
  launchOf,
  Running,
  succeeded,
} from '../../../../../tools/commands.ts';
import { eventually, House } from '../../house.ts';
import { fakeTimeLibrary, WallClock } from '../faults/wall-clock.ts';

const why = 'libfaketime.so.1 is missing: install the package "faketime"';
const skip = fakeTimeLibrary === undefined && process.env.CI !== 'true' ? why : false;

const days = (count: number) => count * 86_400;
/** What failed once is tried again within this. */
const againSeconds = 11;

let house: House;
let fleet: string;
let truck: string | undefined;
let clock: WallClock;
let portcullis: Launch;
let device: Launch;
let aheadSeconds = 0;
let up: Running | undefined;
let sending: Running | undefined;

before(async () => {
  if (skip) return;
  assert.ok(fakeTimeLibrary, why);
  house = new House();
  house.basePort = await freeBasePort();
  const place = ['--base-port', String(house.basePort), '--public-name', 'localhost'];
  await succeeded('portcullis', 'init', house.fleet, ...place);
  fleet = house.fleet;
  clock = new WallClock(house.home, { isTime: true });
  portcullis = launchOf('portcullis', clock.environment);
  device = launchOf('portcullis-device', clock.environment);
  await begin();
});
after(async () => {
  await end();
  await house?.close();
});

async function begin(): Promise<void> {
  up = new Running(portcullis, 'up', fleet);
  await Promise.all(['authority', 'gate', 'desk'].map((role) => up?.line(new RegExp(`^${role} listening`))));
  truck ??= await house.device('truck-1');
  sending = new Running(device, 'run', '--metrics', '--interval', '1', '--device', truck);
}

async function end(): Promise<void> {
  await sending?.stop();
  await up?.stop();
}

const now = () => Date.now() + aheadSeconds * 1_000;

function pass(seconds: number): void {
  aheadSeconds += seconds;
  clock.step(aheadSeconds);
}

const ask = (...words: string[]): Promise<Finished> => finished(portcullis, ...words, '--fleet', fleet);

async function told(...words: string[]): Promise<string> {
  const { status, out, error } = await ask(...words);
  assert.equal(status, 0, `${words.join(' ')}: ${error}`);
  return out;
}

async function listed<Item>(...words: string[]): Promise<Item[]> {
  const lines = (await told(...words, '--json')).split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as Item);
}

const credentials = (): Record<string, Credential> => ({
  gate: readCredential(credentialFileIn(join(fleet, 'gate'))),
  desk: readCredential(credentialFileIn(join(fleet, 'desk'))),
  device: readCredential(credentialFileIn(truck as string)),
});
const servers = { 'authority server': 0, 'desk server': 1, 'public answers': 2, 'gate server': 3 };

const certificateAt = (offset: number) =>
  new Promise<X509Certificate | undefined>((resolve, reject) => {
    const socket = connect({ host: 'localhost', port: house.basePort + offset, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate());
      socket.destroy();
    }).once('error', reject);
  });

const shownNow = () =>
  Promise.all(Object.values(servers).map(async (offset) => (await certificateAt(offset))?.fingerprint256));

/** Whose certificate has ended, or should be another one by now. */
async function due(): Promise<string[]> {
  const held = Object.entries(credentials()).filter(
    ([, { renewAfter, unconfirmed }]) => unconfirmed || Date.parse(renewAfter) < now(),
  );
  const shown = Object.entries(servers).map(async ([name, offset]) => {
    const certificate = await certificateAt(offset);
    return Date.parse(certificate?.validTo ?? '') < now() ? [name] : [];
  });
  return [...held.map(([name]) => name), ...(await Promise.all(shown)).flat()];
}

/** So many days after its beginning, and as much longer as it takes those who tried too early. */
async function laterAt(day: number): Promise<void> {
  pass(Math.max(0, days(day) - aheadSeconds));
  let left: string[] = [];
  await eventually(async () => {
    left = await due().catch((error: Error) => [error.message]);
    if (left.length > 0) {
      pass(againSeconds);
      await pause(600);
    }
    return left.length === 0;
  }, 'all is renewed').catch((error: Error) => assert.fail(`${error.message}: ${left.join(', ')}`));
}

async function requireAdmitted(): Promise<void> {
  const since = now();
  await eventually(async () => {
    const { out } = await ask('readings', '--subject', 'truck-1', '--last', '1', '--json');
    if (out === '') return false;
    const { receivedAt } = JSON.parse(out) as ReadingView;
    return Date.parse(receivedAt) > since;
  }, 'a reading is admitted');
}

function openssl(...words: string[]): string {
  const { stdout, stderr } = spawnSync('openssl', words, {
    encoding: 'utf8',
    env: { ...process.env, ...clock.environment },
  });
  return stdout + stderr;
}

/** Others find the device's certificate good, by the lists and by who answers about it. */
async function requirePublished(): Promise<void> {
  const lists = join(house.home, 'lists');
  await told('revocation', 'export', lists);
  const { device: held } = credentials();
  for (const name of ['certificate', 'issuer'] as const) writeFileSync(join(lists, `${name}.pem`), held?.[name] ?? '');
  const issuers = ['-CAfile', join(lists, 'current', 'issuers.pem')];
  const leaf = join(lists, 'certificate.pem');
  const verify = ['verify', '-x509_strict', '-crl_check_all', ...issuers];
  assert.match(openssl(...verify, '-CRLfile', join(lists, 'current', 'lists.pem'), leaf), /certificate\.pem: OK/);
  const question = ['ocsp', '-issuer', join(lists, 'issuer.pem'), '-cert', leaf, ...issuers];
  let answer = '';
  await eventually(() => {
    answer = openssl(...question, '-url', `http://localhost:${house.basePort + 9}/ocsp`);
    return /Response verify OK/.test(answer) && /certificate\.pem: good/.test(answer);
  }, 'who answers about certificates says "good"').catch((error: Error) => assert.fail(`${error.message}: ${answer}`));
}

const operator = () => readCredential(join(fleet, 'operator.json'));
/** The same fleet, for which nobody comes when it rings. */
const left = () => join(house.home, 'left');
const ringing = () => listed<AlertView>('alert', 'list', '--kind', 'issuer_ending', '--open');

/** What comes signs from then on. */
async function follow(what: string): Promise<void> {
  await told('rollover', 'start', what);
  let said: Finished | undefined;
  await eventually(async () => {
    said = await ask('rollover', 'advance');
    return said.status === 0;
  }, 'gates and desks hold the bundle').catch((error: Error) => assert.fail(`${error.message}: ${said?.error}`));
  const before = (await certificateAt(0))?.fingerprint256;
  await told('rollover', 'advance');
  // Whoever sleeps in the middle of making another one has it only minutes after.
  await eventually(async () => (await certificateAt(0))?.fingerprint256 !== before, 'another one');
}

test('+400 days: what a fleet made for itself it has made anew, by itself, and readings are admitted', {
  skip,
}, async () => {
  const ends = () =>
    Object.values({ ...credentials(), operator: operator() }).map(({ notAfter }) => Date.parse(notAfter));
  const first = ends();
  const before = await shownNow();
  await laterAt(0.7);
  const isNew = async () => (await shownNow()).every((one, place) => one !== before[place]);
  await eventually(isNew, 'servers show other certificates before those have ended');
  // The device in time; gate and desk in time; and the device after its end.
  for (const days of [27, 112, 227, 342, 400]) await laterAt(days);
  await requireAdmitted();
  await requirePublished();
  assert.ok(Math.max(...first) < now());
  assert.ok(Math.min(...ends()) > now());
  assert.deepEqual(await ringing(), []);
});

test('a year before its issuers end that rings, and names what follows them', { skip }, async () => {
  await end();
  house.configure('fleet.yaml', (text) => {
    const kinds = ['device', 'gate', 'desk', 'operator'].map((kind) => `  ${kind}: { renewableDays: 3650 }`);
    return [text, 'profiles:', ...kinds, ''].join('\n');
  });
  cpSync(fleet, left(), { recursive: true });
  pass(days(9 * 365 - 1) - aheadSeconds);
  await begin();
  await laterAt(9 * 365 - 1);
  assert.deepEqual(await ringing(), []);
  await laterAt(9 * 365 + 1);
  await eventually(async () => (await ringing()).length === 2, 'both ring');
  const says = (await ringing()).map(({ says }) => says).sort();
  assert.match(says[0] ?? '', /device issuer" ends at .*"portcullis rollover start device" prepares what follows/);
  assert.match(says[1] ?? '', /infrastructure issuer" ends at .*"portcullis rollover start infrastructure" prepares/);
});

test('+11 years: what follows the issuers carries the fleet over their end', { skip }, async () => {
  await follow('device');
  await laterAt(9 * 365 + 28);
  await told('rollover', 'retire');
  await follow('infrastructure');
  await laterAt(9 * 365 + 113);
  await told('operator', 'renew');
  await laterAt(11 * 365);
  await requireAdmitted();
  await requirePublished();
  assert.deepEqual(await ringing(), []);
});

test('an issuer that nothing followed signs nothing from its last hour on, and says so', { skip }, async () => {
  await end();
  fleet = left();
  const endsAt = Date.parse(new X509Certificate(operator().issuer).validTo);
  pass((endsAt - now()) / 1_000 - 7_200);
  const start = () => new Running(portcullis, 'start', 'authority', fleet);
  up = start();
  await up.line(/^authority listening/);
  await told('operator', 'renew');
  pass(4_800);
  const refused = await ask('operator', 'renew');
  assert.equal(refused.status, 1);
  assert.match(refused.error, /issuer" ends .*, and signs nothing in its last hour or after it \(issuer_ended\)/);
  await up.stop();
  up = start();
  assert.equal(await new Promise((resolve) => up?.process.once('exit', resolve)), 1);
  await up.line(/infrastructure issuer" ends .*, and signs nothing in its last hour or after it/);
});
