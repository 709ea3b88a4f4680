/** The authority's store comes back as it was before: a gate that has seen more does not follow it, whatever is changed on top. */
import assert from 'node:assert/strict';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Running, succeeded } from '../../../../../tools/commands.ts';
import { eventually } from '../../house.ts';
import { Scene } from './scene.ts';

let scene: Scene;
before(async () => {
  scene = await Scene.open();
});
after(() => scene?.close());

test('P9: an authority restored from an older backup is not believed, also changed further, until an operator says so at the gate', async () => {
  const { house, operator, truck, other } = scene;
  await scene.settled();
  const [store, backup] = [join(house.fleet, 'authority'), join(house.home, 'backup')];
  await house.authority?.stop();
  cpSync(store, backup, { recursive: true });
  await house.startAuthority();
  const revoked = await operator.stand('revoke', 'truck-17');
  assert.equal(revoked.confirmed, true);
  await scene.requireCut();
  await house.authority?.stop();
  rmSync(store, { recursive: true });
  cpSync(backup, store, { recursive: true });
  await house.startAuthority();
  await house.gate?.line(/revision_regressed/);
  await eventually(async () => (await scene.statusOf(other)) === 503, 'the gate does not follow it');
  // Changed further, the restored history reaches the same revision with another hash, and goes beyond it.
  for (const site of ['a', 'b', 'c']) {
    const { revision, gates } = await operator.set('truck-17', { site }, 0);
    assert.ok(revision >= revoked.revision);
    assert.deepEqual(
      gates.filter(({ outcome }) => outcome === 'applied'),
      [],
    );
  }
  await house.gate?.stop();
  house.gate = new Running('portcullis', 'start', 'gate', house.fleet);
  const listening = house.gate.line(/^gate listening/);
  const unheard = assert.rejects(listening, /ended without a line/, 'started again it does not listen');
  await house.gate.line(/another history/);
  await house.gate.stop();
  await unheard;
  await succeeded('portcullis', 'gate', 'accept-restore', house.fleet);
  await house.startGate();
  await eventually(async () => (await scene.statusOf(truck)) === 202, 'what the backup holds is what is believed now');
});
