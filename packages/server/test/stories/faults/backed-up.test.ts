/** The authority's machine is lost, and comes back from a backup that was made while it ran: what was cut since is known, and stays cut. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { finished, succeeded } from '../../../../../tools/commands.ts';
import { eventually } from '../../house.ts';
import { Scene } from './scene.ts';

let scene: Scene;
before(async () => {
  scene = await Scene.open();
});
after(() => scene?.close());

interface Forgotten {
  subject: string;
  standing: string;
  here: string;
  gate: string;
}

test('P9: what a gate knew as cut and the backup does not is listed, cut again at one word, and refused once the gate follows', async () => {
  const { house, operator, truck, other } = scene;
  const portcullis = (...words: string[]) => succeeded('portcullis', ...words, '--fleet', house.fleet);
  await scene.settled();
  const backup = join(house.home, 'fleet.backup');
  await portcullis('backup', backup, '--with-keys');
  assert.equal((await operator.stand('revoke', 'truck-17')).confirmed, true);
  await scene.requireCut();
  await house.authority?.stop();

  // The gate's own directory is elsewhere in life; here it lies within, and goes where it was.
  const restored = join(house.home, 'restored');
  await succeeded('portcullis', 'restore', backup, restored);
  rmSync(join(house.fleet, 'authority'), { recursive: true });
  mkdirSync(join(house.fleet, 'authority/keys'), { recursive: true, mode: 0o700 });
  for (const name of ['store.db', 'journal.head', 'keys/issuer-device.pem', 'keys/issuer-infrastructure.pem'])
    copyFileSync(join(restored, 'authority', name), join(house.fleet, 'authority', name));
  await house.startAuthority();
  await house.gate?.line(/revision_regressed/);
  await eventually(async () => (await scene.statusOf(other)) === 503, 'the gate does not follow it');

  const found = await finished('portcullis', 'certificate', 'forgotten', '--json', '--fleet', house.fleet);
  assert.equal(found.status, 1, found.error);
  const [one, ...more] = found.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Forgotten);
  assert.deepEqual(
    [one?.subject, one?.standing, one?.here, one?.gate, more],
    ['truck-17', 'revoked', 'valid', 'gate-1', []],
  );
  await portcullis('certificate', 'forgotten', '--repeat');
  assert.equal(await portcullis('certificate', 'forgotten', '--json'), '');

  await portcullis('gate', 'accept-restore');
  await eventually(async () => (await scene.statusOf(other)) === 202, 'the gate follows');
  assert.equal(await scene.statusOf(truck), 403);
  const lost = join(house.fleet, 'gate/heads.before-restore-1.ndjson');
  const verified = await finished('portcullis', 'journal', 'verify', '--head', lost, '--fleet', house.fleet);
  assert.equal(verified.status, 1, 'P12: the last head that the gate saw proves that something was lost');
  assert.match(verified.error, /journal_damaged/);
  assert.equal(await portcullis('certificate', 'forgotten', '--json'), '');
});
