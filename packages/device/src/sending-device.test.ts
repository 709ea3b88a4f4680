import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { patienceMs } from '../../../test/patience.ts';
import type { Wish } from '../test/certificates.ts';
import { startEnrolment } from '../test/enrolment.ts';
import { deviceDirectory, fleet, impatient, openDevice, startGate } from '../test/gate.ts';
import { acknowledged, type Given, type Received, refused, until } from '../test/servers.ts';
import { credentialFileIn, readCredential } from './credential/credential.ts';
import { Device } from './sending-device.ts';
import { realSystem } from './system.ts';

const limit = () => AbortSignal.timeout(patienceMs);

test('one process a directory: a second one is refused with a clear word, and let in when the first has closed', async () => {
  const directory = deviceDirectory([]);
  const { device } = await openDevice(directory);
  await assert.rejects(Device.open({ directory }), {
    code: 'store_locked',
    message: /another process uses .*; stop it first/,
  });
  await device.close();
  const { device: next } = await openDevice(directory);
  assert.equal(next.credential.subject, 'truck-17');
});

test('a directory that is not there, or holds no credential, says to enrol first', async () => {
  await assert.rejects(Device.open({ directory: '/nonexistent/device' }), {
    code: 'credential_unusable',
    message: /enrol first/,
  });
  const directory = deviceDirectory([]);
  mkdirSync(join(directory, 'inner'));
  await assert.rejects(Device.open({ directory: join(directory, 'inner') }), { message: /enrol first/ });
});

test('P8: what a device kept is sent after a new start, under the same ids', async () => {
  const gate = await startGate([refused(503, 'replica_stale')]);
  await gate.close();
  const directory = deviceDirectory([gate.url]);
  const { device } = await openDevice(directory);
  await device.send('telemetry', { value: 1 }, { id: 'mine', time: '2026-11-23T12:00:00Z' });
  await device.send('other', { value: 2 });
  await device.close();
  const back = await startGate([], gate.port);
  writeFileSync(join(directory, 'outbox', '.DS_Store'), 'not a stream');
  const { device: next } = await openDevice(directory);
  assert.equal(next.kept, 2);
  await next.drained(limit());
  const { _run: run, ...mine } = back.stored.find(({ _id }) => _id === 'mine') ?? assert.fail();
  assert.match(String(run), /^[A-Za-z0-9_-]{12}$/);
  assert.deepEqual(mine, { value: 1, _id: 'mine', _time: '2026-11-23T12:00:00Z', _clock: 'unknown', _sequence: 1 });
  assert.equal(back.stored.length, 2);
});

for (const [what, data, given] of [
  ['a reserved member', { _id: 'a' }, {}],
  ['an id with a space', {}, { id: 'a b' }],
  ['a time that is none', {}, { time: 'yesterday' }],
] as const) {
  test(`a reading with ${what} is wrong usage and is not put`, async () => {
    const { device } = await openDevice(deviceDirectory([]));
    await assert.rejects(device.send('telemetry', data, given), { code: 'usage' });
    assert.equal(device.kept, 0);
  });
}

test('a name that is none of a stream is wrong usage, also when it climbs out of the directory', async () => {
  const { device } = await openDevice(deviceDirectory([]));
  for (const name of ['', 'A', '../outbox', 'a/b', 'x'.repeat(64)]) {
    await assert.rejects(device.send(name, {}), { code: 'usage', message: /must match/ });
  }
});

test('a closed device takes no reading', async () => {
  const { device } = await openDevice(deviceDirectory([]));
  await device.close();
  await assert.rejects(device.send('telemetry', {}), { code: 'usage', message: /closed/ });
});

test('closing does not wait for a gate that hangs', async () => {
  const gate = await startGate(['hang']);
  const { device } = await openDevice(deviceDirectory([gate.url]));
  await device.send('telemetry', { value: 1 });
  await until('the request', () => gate.requests.length > 0);
  const start = performance.now();
  await device.close();
  // A link gives up by itself after half a minute.
  assert.ok(performance.now() - start < 15_000);
  assert.equal(device.kept, 1);
});

test('a device whose clock is before the making of its certificate says so on each reading (FIELD-NOTES D7)', async () => {
  const gate = await startGate();
  const system = { ...impatient, now: () => 86_400_000 };
  const { device } = await openDevice(deviceDirectory([gate.url]), { system });
  await device.send('telemetry', { value: 1 });
  await device.drained(limit());
  assert.deepEqual([gate.stored[0]?._clock, gate.stored[0]?._time], ['unsynchronized', '1970-01-02T00:00:00.000Z']);
});

test('D7: a device whose clock is wrong asks the authority for the time, and dates its readings by that', async () => {
  const authority = await startEnrolment(fleet);
  const gate = await startGate();
  const directory = deviceDirectory([gate.url], { enrolment: authority.server.url });
  const { device } = await openDevice(directory, { system: { ...impatient, now: () => performance.now() } });
  await until('the time', () => authority.server.requests.some(({ path }) => path === '/v1/time'));
  await until('a dated reading', () => {
    void device.send('telemetry', {});
    return gate.stored.at(-1)?._clock === 'synchronized';
  });
  assert.ok(Math.abs(Date.parse(String(gate.stored.at(-1)?._time)) - Date.now()) < 60_000);
});

test('once a verified gate has told the time, readings say that the clock is right', async () => {
  const gate = await startGate();
  const { device } = await openDevice(deviceDirectory([gate.url]));
  for (const value of [1, 2]) {
    await device.send('telemetry', { value });
    await device.drained(limit());
  }
  assert.deepEqual(
    gate.stored.map(({ _clock }) => _clock),
    ['unknown', 'synchronized'],
  );
});

test('a renewed device sends with the new certificate, over new connections (FIELD-NOTES A5)', async () => {
  const authority = await startEnrolment(fleet);
  const gate = await startGate();
  authority.wishes.gates = [gate.url];
  const due = Date.now() + 86_400_000;
  const directory = deviceDirectory([gate.url], {
    enrolment: authority.server.url,
    renewAfter: new Date(due).toISOString(),
  });
  let now = Date.now();
  const { device } = await openDevice(directory, { system: { ...impatient, now: () => now } });
  await device.send('telemetry', { value: 1 });
  await device.drained(limit());
  const before = device.credential.certificate;
  await device.close();
  now = due + 1;
  const { device: next } = await openDevice(directory, { system: { ...impatient, now: () => now } });
  await next.send('telemetry', { value: 2 });
  await until('the renewal', () => next.credential.certificate !== before && next.credential.unconfirmed === undefined);
  await next.send('telemetry', { value: 3 });
  await next.drained(limit());
  assert.equal(authority.confirmed.at(-1), next.credential.certificate);
  const serials = gate.requests.map(({ serial }) => serial);
  assert.equal(serials.at(0), new X509Certificate(before).serialNumber);
  assert.equal(serials.at(-1), new X509Certificate(next.credential.certificate).serialNumber);
  assert.deepEqual(gate.values().toSorted(), [1, 2, 3]);
});

/** A device whose renewal is due, with the pair that it has. */
async function dueDevice(gates: string[], leaf: Wish = {}) {
  const authority = await startEnrolment(fleet);
  authority.wishes.gates = gates;
  authority.wishes.leaf = leaf;
  const renewAfter = new Date(Date.now() - 1_000).toISOString();
  const directory = deviceDirectory(gates, { enrolment: authority.server.url, renewAfter });
  const { serialNumber } = new X509Certificate(readCredential(credentialFileIn(directory)).certificate);
  return { authority, directory, serial: serialNumber };
}

test('D9: what is under way with the old pair is answered over its own connection before the new pair is confirmed', async () => {
  let answer: () => void = assert.fail;
  const slow = (received: Received) =>
    new Promise<Given>((resolve) => {
      answer = () => resolve(acknowledged(received));
    });
  const gate = await startGate([slow]);
  const { authority, directory, serial } = await dueDevice([gate.url]);
  const { device, failures } = await openDevice(directory);
  await device.send('telemetry', { value: 1 });
  await until(
    'the batch and the proof',
    () => gate.requests.some((seen) => seen.serial !== serial) && answer !== assert.fail,
  );
  const proven = gate.requests.length;
  await device.send('other', { value: 2 });
  await until('the other stream', () => gate.requests.length > proven);
  assert.deepEqual([authority.confirmed.length, gate.requests.at(-1)?.path], [0, '/v1/streams/other/readings']);
  answer();
  await until('the confirmation', () => device.credential.unconfirmed === undefined);
  await device.send('telemetry', { value: 3 });
  await device.drained(limit());
  assert.deepEqual(failures, []);
  const sent = gate.requests
    .filter(({ path }) => path.endsWith('/telemetry/readings'))
    .map((seen) => seen.serial === serial);
  assert.deepEqual(sent, [true, false]);
  assert.deepEqual(gate.values(), [2, 1, 3]);
});

test('D9: a renewed pair that the gate refuses stays unused: readings go on with the old one, after another start too', async () => {
  const gate = await startGate();
  const { authority, directory, serial } = await dueDevice([gate.url], { from: -10, until: -1 });
  for (const value of [1, 2]) {
    const { device, failures } = await openDevice(directory);
    await until('the refusal', () => failures.includes('server_unreachable'));
    await device.send('telemetry', { value });
    await device.drained(limit());
    await device.close();
  }
  assert.deepEqual([gate.values(), new Set(gate.requests.map((seen) => seen.serial))], [[1, 2], new Set([serial])]);
  assert.deepEqual(authority.confirmed, []);
});

test('P8: kill -9 of a sending device: what it was told to be durable is stored once', async () => {
  const gate = await startGate();
  const directory = deviceDirectory([gate.url]);
  const program = `
    const { Device } = await import(${JSON.stringify(new URL('./device.ts', import.meta.url).href)});
    const device = await Device.open({ directory: ${JSON.stringify(directory)} });
    for (let value = 0; ; value++) {
      await device.send('telemetry', { value }, { id: 'reading-' + value });
      process.stdout.write(value + '\\n');
    }`;
  const words = ['--conditions=portcullis-source', '--no-warnings', '--input-type=module', '-e', program];
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    if (said.split('\n').length > 300 && gate.stored.length > 0) child.kill('SIGKILL');
  });
  await once(child, 'close');
  const durable = Number(said.slice(0, said.lastIndexOf('\n')).split('\n').at(-1)) + 1;
  const { device } = await openDevice(directory, { system: realSystem });
  await device.drained(limit());
  assert.equal(device.kept, 0);
  const ids = new Set(gate.ids());
  for (let value = 0; value < durable; value++)
    assert.ok(ids.has(`reading-${value}`), `reading-${value} of ${durable}`);
});
