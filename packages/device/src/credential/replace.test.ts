import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startEnrolment } from '../../test/enrolment.ts';
import { deviceDirectory, fleet, openDevice, startGate } from '../../test/gate.ts';
import { type Credential, credentialFileIn, readCredential, writeCredential } from './credential.ts';
import { enrol } from './enrol.ts';
import { moveAside } from './move-aside.ts';

const authority = await startEnrolment(fleet);
const { token } = authority;

/** A directory of another subject, with a reading that waits. */
async function directoryOf(subject: string): Promise<string> {
  const directory = deviceDirectory([], { subject: subject as never });
  const { device } = await openDevice(directory);
  await device.send('telemetry', { value: 1 });
  await device.close();
  return directory;
}

test('a directory that has a credential is refused before anything is asked, and left as it is', async () => {
  const directory = await directoryOf('truck-18');
  const before = readFileSync(credentialFileIn(directory), 'utf8');
  const asked = authority.server.requests.length;
  await assert.rejects(enrol({ token, directory }), { code: 'credential_exists', message: /"truck-18".*--replace/ });
  assert.equal(authority.server.requests.length, asked);
  assert.equal(readFileSync(credentialFileIn(directory), 'utf8'), before);
});

test('replacing another subject moves its readings and its key aside, and they are never sent by the new one', async () => {
  const directory = await directoryOf('truck-18');
  const gate = await startGate();
  authority.wishes.gates = [gate.url];
  writeFileSync(join(directory, 'refused.ndjson'), '{}\n');
  let where = '';
  await enrol({
    token,
    directory,
    replace: true,
    onReplaced: (moved) => {
      where = moved;
    },
  });
  assert.equal(where, join(directory, 'replaced', 'truck-18-1'));
  assert.deepEqual(readdirSync(where).sort(), ['credential.json', 'outbox', 'refused.ndjson']);
  assert.equal(statSync(join(where, 'credential.json')).mode & 0o777, 0o600);
  assert.equal(statSync(where).mode & 0o777, 0o700);
  assert.equal(readCredential(join(where, 'credential.json')).subject, 'truck-18');
  const { device } = await openDevice(directory);
  assert.equal(device.credential.subject, 'truck-17');
  await device.send('telemetry', { value: 2 });
  await device.drained(AbortSignal.timeout(60_000));
  assert.deepEqual(gate.values(), [2]);
});

test('replacing a credential of the same subject keeps its readings, and a lost answer burns nothing', async () => {
  const directory = await directoryOf('truck-17');
  authority.wishes.instead = ['break'];
  await assert.rejects(enrol({ token, directory, replace: true }), { code: 'server_unreachable' });
  const { key } = JSON.parse(readFileSync(join(directory, 'pending-replacement.json'), 'utf8')) as { key: string };
  assert.equal(existsSync(join(directory, 'replaced')), false);
  const credential = await enrol({ token, directory, replace: true });
  assert.equal(credential.key, key);
  assert.deepEqual(readdirSync(directory).sort(), ['credential.json', 'device.lock', 'outbox', 'replaced']);
  assert.deepEqual(readdirSync(join(directory, 'replaced', 'truck-17-1')), ['credential.json']);
  const { device } = await openDevice(directory);
  assert.equal(device.kept, 1);
});

test('a replacement that ended after the move, with no credential there, is asked for again with the same key', async () => {
  const directory = await directoryOf('truck-18');
  authority.wishes.instead = ['break'];
  await assert.rejects(enrol({ token, directory, replace: true }), { code: 'server_unreachable' });
  const { key } = JSON.parse(readFileSync(join(directory, 'pending-replacement.json'), 'utf8')) as { key: string };
  // As a full disk leaves it, or a power cut.
  const [old, next] = [readCredential(credentialFileIn(directory)), { subject: 'truck-17', fleet: 'plant' }];
  moveAside(directory, old, { ...old, ...next } as Credential);
  const credential = await enrol({ token, directory, replace: true });
  assert.equal(credential.key, key);
  assert.equal(existsSync(join(directory, 'pending-replacement.json')), false);
});

test('an outbox without a name takes that of the credential; from then on another one does not send it', async () => {
  const directory = await directoryOf('truck-17');
  const owner = join(directory, 'outbox', '.owner.json');
  assert.deepEqual(JSON.parse(readFileSync(owner, 'utf8')), { fleet: 'plant', subject: 'truck-17' });
  const credential = readCredential(credentialFileIn(directory));
  writeCredential(credentialFileIn(directory), { ...credential, subject: 'truck-18' as never });
  await assert.rejects(openDevice(directory), {
    code: 'credential_unusable',
    message: /holds readings of "truck-17" of "plant", which "truck-18" of "plant" never sends/,
  });
  writeFileSync(owner, '{"fleet":');
  await assert.rejects(openDevice(directory), { code: 'credential_unusable', message: /does not say whose/ });
});

test('an outbox of another subject that holds nothing takes the new name', async () => {
  const directory = deviceDirectory([]);
  mkdirSync(join(directory, 'outbox', 'telemetry'), { recursive: true });
  writeFileSync(join(directory, 'outbox', '.owner.json'), '{"fleet":"plant","subject":"truck-18"}');
  const { device } = await openDevice(directory);
  assert.equal(device.kept, 0);
});
