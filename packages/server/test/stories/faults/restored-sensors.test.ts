/** The authority's store comes back as it was before, and with it keys of sensors that were revoked meanwhile. */
import assert from 'node:assert/strict';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { KeyCredentialCreated, ReadingView } from '@portcullis/contract';
import { succeeded } from '../../../../../tools/commands.ts';
import { optionNumbers } from '../../../src/oscore/oscore.ts';
import { eventually, House } from '../../house.ts';
import { KeySensor, parsed, reading } from '../../key-sensor.ts';
import { Udp } from '../../udp.ts';

const stored = 0x44;

let house: House;
let udp: Udp;
before(async () => {
  house = await House.open();
  udp = new Udp();
});
after(async () => {
  udp?.close();
  await house?.close();
});

const bytes = (hex: string) => Buffer.from(hex, 'hex');
const port = () => house.basePort + 5;

async function flashed(subject: string): Promise<KeySensor> {
  const words = ['token', 'create', subject, '--credential', 'oscore'];
  const [made] = (await house.json<KeyCredentialCreated>(...words)) as [KeyCredentialCreated];
  return new KeySensor(bytes(made.keyId), { masterSecret: bytes(made.masterSecret), salt: bytes(made.masterSalt) });
}

/** As long as a sensor waits before it asks again (RFC 7252 §4.8): a gate is silent to who asks too often. */
const answerMs = 2_000;

async function exchange(datagram: Buffer): Promise<Buffer | undefined> {
  const answered = udp.next(answerMs);
  udp.send(datagram, port());
  return answered;
}

const isProtected = (datagram: Buffer) =>
  parsed(datagram).options.some(({ number }) => number === optionNumbers.oscore);

/** A new context and a reading under it; resolves to the code of the last answer that came, whoever gave it. */
async function sends(sensor: KeySensor, payload: string): Promise<number | undefined> {
  const challenge = await exchange(sensor.first());
  if (challenge === undefined || !isProtected(challenge)) return challenge && parsed(challenge).code;
  const answer = await exchange(sensor.second(challenge, reading('telemetry', payload)));
  return answer && (isProtected(answer) ? sensor.opened(answer) : parsed(answer)).code;
}

test('P9: a sensor that was revoked after the backup is served by no gate, whatever keys the restored authority still has, until an operator says so', async () => {
  const [thief, other] = [await flashed('sensor-1'), await flashed('sensor-2')];
  for (const sensor of [thief, other])
    await eventually(async () => (await sends(sensor, '{"c":1}')) === stored, 'the gate knows the sensor');
  const [store, backup] = [join(house.fleet, 'authority'), join(house.home, 'backup')];
  await house.authority?.stop();
  cpSync(store, backup, { recursive: true });
  await house.startAuthority();
  assert.equal((await house.change('credential', 'revoke', 'sensor-1')).confirmed, true);
  const after = await flashed('sensor-3');
  await eventually(async () => (await sends(after, '{"c":1}')) === stored, 'one that is made after the backup');

  await house.authority?.stop();
  rmSync(store, { recursive: true });
  cpSync(backup, store, { recursive: true });
  await house.startAuthority();
  await house.gate?.line(/revision_regressed/);
  const [row] = await house.json<{ standing: string }>('credential', 'list', 'sensor-1');
  assert.equal(row?.standing, 'valid', 'the restored store knows of no revocation');
  await eventually(async () => (await sends(other, '{"c":2}')) === 0xa3, 'the gate decides nothing any more');
  assert.notEqual(await sends(thief, '{"c":2}'), stored);

  await house.change('credential', 'revoke', 'sensor-1').catch(() => undefined);
  await succeeded('portcullis', 'gate', 'accept-restore', house.fleet);
  await eventually(
    async () => (await sends(other, '{"c":3}')) === stored,
    'its numbers go on, and its key is the same',
  );
  assert.notEqual(await sends(thief, '{"c":3}'), stored);
  assert.notEqual(await sends(after, '{"c":3}'), stored, 'its key is gone with what came after the backup');
  const rows = await house.json<ReadingView>('readings', 'telemetry');
  for (const subject of ['sensor-1', 'sensor-3'])
    assert.deepEqual(
      rows.filter((row) => row.subject === subject).map(({ data }) => data),
      [{ c: 1 }],
    );
});
