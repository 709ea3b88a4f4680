/** A gate's directory copied to another machine: two processes with one identity, of which neither can speak for the other. */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { standStill } from '../../../../../test/standstill.ts';
import { Running } from '../../../../../tools/commands.ts';
import { eventually, readingsUrl } from '../../house.ts';
import { outcomesOf, Scene, Sending } from './scene.ts';

let scene: Scene;
let copy: Running;
let copyUrl: string;
before(async () => {
  let directory = '';
  scene = await Scene.open((house) => {
    directory = join(house.home, 'copy');
    mkdirSync(directory, { mode: 0o700 });
    cpSync(join(house.fleet, 'gate'), join(directory, 'gate'), { recursive: true });
    const settings = readFileSync(join(house.fleet, 'gate.yaml'), 'utf8').replace(/^ {2}(mqtt|coap)Port: .*\n/gm, '');
    const [port, ofCopy] = [house.basePort + 3, house.basePort + 2];
    writeFileSync(join(directory, 'gate.yaml'), settings.replaceAll(String(port), String(ofCopy)));
    copyUrl = `https://localhost:${ofCopy}/v1/streams/telemetry/readings`;
  });
  copy = new Running('portcullis', 'start', 'gate', directory);
  await copy.line(/^gate listening/);
});
after(async () => {
  await copy?.stop();
  await scene?.close();
});

afterEach(() => {
  copy?.process.kill('SIGCONT');
  scene?.resume();
});

async function settled(): Promise<void> {
  await scene.settled(copyUrl);
  await scene.settled();
}

test('P7: a receipt names both processes of a copied identity, and waits for both (rule 3)', async () => {
  const { operator, truck } = scene;
  await settled();
  const receipt = await operator.set('truck-17', { status: 'off' });
  assert.deepEqual([receipt.confirmed, outcomesOf(receipt)], [true, ['gate-1 applied', 'gate-1 applied']]);
  assert.equal(new Set(receipt.gates.map(({ instance }) => instance)).size, 2);
  for (const url of [readingsUrl(scene.house), copyUrl]) await scene.requireCut(truck, url);
  const held = (await operator.gates()).filter(({ lease }) => lease === 'held');
  assert.deepEqual(
    held.map(({ instance }) => instance).toSorted(),
    receipt.gates.map(({ instance }) => instance).toSorted(),
  );
});

test('P7: while one of the two is paused, the report of the other does not stand in for it (rule 3)', async () => {
  const { house, operator, terms, truck, other } = scene;
  await settled();
  standStill(copy.process.pid);
  const early = await operator.set('truck-17', { status: 'off' }, 0);
  const receipt = await operator.set('truck-18', { site: 'port' });
  for (const one of [(await operator.changeAt(early.revision)).receipt, receipt]) {
    assert.deepEqual(
      [one.confirmed, outcomesOf(one).toSorted()],
      [true, ['gate-1 applied', 'gate-1 lease_expired']],
      'both are named',
    );
    scene.requireBounded(one, { ...terms, patienceMs: 0 });
  }
  await scene.requireCut();
  await using sending = new Sending(truck, copyUrl);
  copy.process.kill('SIGCONT');
  await eventually(() => sending.statusesSince(0).has(403), 'the other has heard of it too');
  await sending.requireNoneAdmittedSince(0, 'the receipt');
  await eventually(async () => (await scene.statusOf(other, copyUrl)) === 202, 'it goes on by itself');
  await eventually(async () => (await scene.statusOf(other, readingsUrl(house))) === 202, 'admitted');
});

test('P6: revoking the gate cuts both: neither is told anything more, nor gets another lease', async () => {
  const { house, operator, terms, other } = scene;
  await settled();
  const receipt = await operator.stand('revoke', 'gate-1');
  const revoked = performance.now();
  assert.deepEqual([receipt.confirmed, outcomesOf(receipt)], [true, ['gate-1 lease_expired', 'gate-1 lease_expired']]);
  scene.requireBounded(receipt, { ...terms, patienceMs: 0 });
  for (const url of [readingsUrl(house), copyUrl]) {
    await using sending = new Sending(other, url);
    await sending.requireNoneAdmittedSince(revoked, 'the receipt for its revocation');
    await eventually(() => sending.statusesSince(revoked).has(503), 'refused');
  }
  const later = await operator.set('truck-17', { site: 'nowhere' });
  assert.deepEqual([later.confirmed, later.gates], [true, []]);
  for (const gate of [house.gate, copy]) {
    await gate?.line(/not_authenticated.*the feed broke off/);
    await gate?.line(/not_authenticated.*the lease was not renewed/);
  }
});
