/** What an authority does is shipped; its machine is lost; the backup with what was shipped is what the gates saw, and they go on. */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { finished, succeeded } from '../../../../../tools/commands.ts';
import { eventually } from '../../house.ts';
import { Scene } from './scene.ts';

let scene: Scene;
let shipped: string;
before(async () => {
  scene = await Scene.open((house) => {
    shipped = join(house.home, 'shipped');
    mkdirSync(shipped);
    house.configure('fleet.yaml', (text) => `${text}\njournal:\n  ship: ${shipped}\n`);
  });
});
after(() => scene?.close());

const segments = () => readdirSync(shipped).filter((name) => name.endsWith('.segment'));

/** What was shipped holds the end of the journal: nothing waits. */
async function allShipped(): Promise<void> {
  await eventually(async () => {
    const [status] = await scene.house.json<{ authority: { shipping: { waiting: number } } }>('status');
    return status?.authority.shipping.waiting === 0;
  }, 'all is shipped');
}

test('P9: with all that was shipped a restored authority stands where the gates do: they go on, and what was cut stays cut', async () => {
  const { house, operator, truck, other } = scene;
  await scene.settled();
  const backup = join(house.home, 'fleet.backup');
  await succeeded('portcullis', 'backup', backup, '--with-keys', '--fleet', house.fleet);
  await operator.set('truck-18', { site: 'rome' });
  const late = await operator.enrolled('truck-19', join(house.home, 'truck-19'));
  assert.equal((await operator.stand('revoke', 'truck-17')).confirmed, true);
  await scene.requireCut();
  await allShipped();
  assert.equal(statSync(join(shipped, segments()[0] ?? '')).mode & 0o777, 0o600);
  await house.authority?.kill();

  const restored = join(house.home, 'restored');
  const told = JSON.parse(await succeeded('portcullis', 'restore', backup, restored, '--json')) as Record<
    string,
    number
  >;
  assert.ok((told.transactions ?? 0) > 2, 'its own fleet.yaml says where segments are');
  assert.ok((told.revision ?? 0) > (told.backupRevision ?? 0));
  rmSync(join(house.fleet, 'authority'), { recursive: true });
  cpSync(join(restored, 'authority'), join(house.fleet, 'authority'), { recursive: true });
  await house.startAuthority();
  await eventually(
    async () => (await scene.statusOf(other)) === 202,
    'the gate goes on, and nobody had to accept anything',
  );
  assert.equal(await scene.statusOf(truck), 403);
  assert.equal(await scene.statusOf(late), 202, 'enrolled after the backup');
  const verified = await finished('portcullis', 'journal', 'verify', house.fleet);
  assert.equal(verified.status, 0, verified.error);
});
