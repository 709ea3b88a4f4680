/** What happens to readings and ports when processes die, are stopped, or are started twice. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, chmodSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { finished, freeBasePort, Running, succeeded } from '../../../../../tools/commands.ts';
import { eventually, House, post, readingsUrl } from '../../house.ts';

let house: House;
before(async () => {
  house = await House.open();
});
after(() => house?.close());

interface Reading {
  id: string;
  data: { number: number };
}

test('P8: killing the gate with -9 in mid-stream loses no acknowledged reading and stores none twice', async () => {
  const device = await house.device('truck-1');
  const file = join(house.home, 'many.ndjson');
  const count = 20_000;
  writeFileSync(file, Array.from({ length: count }, (_, number) => `{"number":${number}}\n`).join(''));
  const sending = new Running(
    'portcullis-device',
    'send',
    'telemetry',
    file,
    '--json',
    '--wait',
    '240',
    '--device',
    device,
  );
  const stored = async () =>
    (await house.json<{ admittedPerSecond: number }>('gate', 'list')).some(
      ({ admittedPerSecond }) => admittedPerSecond > 0,
    );
  await eventually(stored, 'readings arrive');
  for (let kill = 0; kill < 2; kill++) {
    house.gate?.process.kill('SIGKILL');
    await house.startGate();
  }
  const summary = JSON.parse(await sending.line(/"sent"/, 300_000)) as { acknowledged: number; kept: number };
  assert.deepEqual(summary, { sent: count, acknowledged: count, refused: 0, kept: 0 });
  const numbers = (await house.json<Reading>('readings', 'telemetry')).map(({ data }) => data.number);
  assert.equal(numbers.length, count);
  assert.equal(new Set(numbers).size, count);
});

test('a second process on the same store is refused with a clear word', async () => {
  for (const role of ['authority', 'gate']) {
    const { status, error } = await finished('portcullis', 'start', role, house.fleet);
    assert.equal(status, 1);
    assert.match(error, /another process \(\d+\) holds .* \(store_locked\)/);
  }
});

test('a port that is taken is named', async () => {
  const fleet = join(house.home, 'other');
  const base = await freeBasePort();
  await succeeded('portcullis', 'init', fleet, '--base-port', String(base));
  const squatter = createServer();
  await new Promise<void>((resolve) => squatter.listen(base, '127.0.0.1', resolve));
  const { status, error } = await finished('portcullis', 'start', 'authority', fleet);
  squatter.close();
  assert.equal(status, 1);
  assert.match(error, new RegExp(`127\\.0\\.0\\.1:${base} is taken .*\\(port_taken\\)`));
});

test('up starts a process that died again, and a signal ends all of it within five seconds with the ports free', async () => {
  await house.gate?.stop();
  await house.authority?.stop();
  const up = new Running('portcullis', 'up', house.fleet);
  await Promise.all([up.line(/^authority listening/), up.line(/^gate listening/)]);
  const started = execFileSync('pgrep', ['-f', `start gate ${house.fleet}`], { encoding: 'utf8' });
  process.kill(Number(started.trim()), 'SIGKILL');
  await up.line(/the gate ended \(SIGKILL\); starting it again in 1 s/);
  const isUp = async () => (await house.json<{ lease: string }>('gate', 'list')).some(({ lease }) => lease === 'held');
  await eventually(isUp, 'the gate holds a lease again');
  const before = performance.now();
  await up.stop();
  assert.equal(up.process.signalCode, null, 'it ended by itself');
  // Five seconds, on a machine that may be four times slower.
  assert.ok(performance.now() - before < 20_000);
  const again = new Running('portcullis', 'up', house.fleet);
  await Promise.all([again.line(/^authority listening/), again.line(/^gate listening/)]);
  await again.stop();
  await house.startAuthority();
  await house.startGate();
});

test('a watch whose gate stops says so, and goes on when the gate is back', async () => {
  const watch = new Running('portcullis', 'watch', '--fleet', house.fleet);
  let seen = 0;
  watch.onLine((line) => {
    if (!/ is (away|back)/.test(line)) seen++;
  });
  const isWatched = async () => {
    // Without a certificate: refused, and told to who watches.
    await post(readingsUrl(house), { ca: readFileSync(join(house.fleet, 'root.pem'), 'utf8') }, '{}').catch(
      () => undefined,
    );
    return seen > 0;
  };
  await eventually(isWatched, 'the watch sees what the gate refuses', 60_000);
  await house.gate?.stop();
  await watch.line(/^gate-1 at \S+ is away: .* \(server_unreachable\); trying again, the others go on$/, 60_000);
  await house.startGate();
  await watch.line(/^gate-1 at \S+ is back$/, 60_000);
  seen = 0;
  await eventually(isWatched, 'the watch sees what the gate refuses again', 60_000);
  assert.equal(watch.process.exitCode, null);
  await watch.stop();
  assert.equal(watch.process.exitCode, 0);
});

test('init makes nothing over what is there', async () => {
  const { status, error } = await finished('portcullis', 'init', house.fleet);
  assert.equal(status, 1);
  assert.match(error, /fleet_exists/);
});

test('an operator can be added while the authority runs, and on a stopped store', async () => {
  await succeeded('portcullis', 'operator', 'add', 'second', '--fleet', house.fleet);
  await house.gate?.stop();
  await house.authority?.stop();
  await succeeded('portcullis', 'operator', 'add', 'third', '--fleet', house.fleet);
  await house.startAuthority();
  await house.startGate();
  for (const name of ['second', 'third']) {
    await succeeded('portcullis', 'subject', 'list', '--fleet', join(house.fleet, 'operators', name));
  }
});

test('the last operator can not be cut', async () => {
  for (const name of ['second', 'third'])
    await succeeded('portcullis', 'certificate', 'revoke', name, '--fleet', house.fleet);
  const { status, error } = await house.portcullis('certificate', 'revoke', 'operator-1');
  assert.equal(status, 1);
  assert.match(error, /last_operator/);
});

test('a key file that others may read is refused, and so is a truncated store', async () => {
  await house.gate?.stop();
  await house.authority?.stop();
  const key = join(house.fleet, 'authority/keys/issuer-device.pem');
  chmodSync(key, 0o644);
  assert.match((await finished('portcullis', 'start', 'authority', house.fleet)).error, /must be 600 \(key_unusable\)/);
  chmodSync(key, 0o600);
  const store = join(house.fleet, 'authority/store.db');
  const whole = readFileSync(store);
  truncateSync(store, Math.floor(whole.length / 2));
  assert.match(
    (await finished('portcullis', 'start', 'authority', house.fleet)).error,
    /\((store_damaged|store_version)\)/,
  );
  writeFileSync(store, whole);
});

test('an unknown key of the configuration is named, with its line and the nearest known one', async () => {
  const file = join(house.fleet, 'gate.yaml');
  const whole = readFileSync(file, 'utf8');
  appendFileSync(file, 'retainDay: 3\n');
  const { status, error } = await finished('portcullis', 'config', 'check', house.fleet);
  assert.equal(status, 1);
  assert.match(error, /gate\.yaml:\d+: key "retainDay" is unknown; did you mean "retainDays"\?/);
  writeFileSync(file, whole);
});
