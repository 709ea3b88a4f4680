/** A gate that stops between its commit and its look at the lease: what was stored there never counts for more than it may. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import type { ReadingView } from '@portcullis/contract';
import { Running } from '../../../../../tools/commands.ts';
import { nodeOptions } from '../../../src/cli/processes.ts';
import { type Answer, eventually, post, readingsUrl } from '../../house.ts';
import { outcomesOf, Scene } from './scene.ts';

let scene: Scene;
before(async () => {
  scene = await Scene.open();
});
after(() => scene?.close());
afterEach(() => scene?.resume());

/** In place of the gate that runs: one that stops itself where a reading names a stop, between commit and look. */
async function startStoppingGate(): Promise<void> {
  const { house } = scene;
  await house.gate?.stop();
  const file = join(import.meta.dirname, 'stopping-gate.ts');
  house.gate = new Running({ file, options: nodeOptions }, house.fleet);
  await house.gate.line(/^gate listening/);
}

/** Sends a reading that is durable and not yet looked at when this resolves; the gate stands still then, and nothing else is open. */
async function commitAndStop(stop: string): Promise<{ answer: Promise<Answer> }> {
  const { house, truck, operator } = scene;
  const of = (subject: string) => operator.readings(house.gateUrl, subject);
  const shown = async () => [...(await of('truck-17')), ...(await of('truck-18'))];
  await eventually(
    async () => (await shown()).every(({ proof }) => proof === 'proven'),
    'what was sent before is proven',
  );
  const answer = post(readingsUrl(house), truck, JSON.stringify({ _id: stop, stop }));
  answer.catch(() => undefined);
  await house.gate?.line(new RegExp(`^stopped after ${stop}$`));
  return { answer };
}

async function stored(id: string): Promise<ReadingView[]> {
  const { house, operator } = scene;
  return (await operator.readings(house.gateUrl, 'truck-17')).filter((reading) => reading.id === id);
}

const ofGate = async () => (await scene.operator.gates()).find(({ lease }) => lease === 'held');

test('P7 P8: a gate paused between commit and look for longer than its lease quarantines the batch, acknowledges nothing and says overrun', async () => {
  const { house, operator, truck } = scene;
  await startStoppingGate();
  await scene.settled();
  const { answer } = await commitAndStop('reading-1');
  const receipt = await operator.set('truck-17', { status: 'off' });
  assert.deepEqual([receipt.confirmed, outcomesOf(receipt)], [true, ['gate-1 lease_expired']]);
  scene.requireBounded(receipt, { ...scene.terms, patienceMs: 0 });
  house.gate?.process.kill('SIGCONT');
  const { status, body } = await answer;
  assert.deepEqual([status, (JSON.parse(body) as { reason: string }).reason], [503, 'overrun']);
  await house.gate?.line(/overrun: the lease ended while a batch was being stored/);
  await eventually(async () => (await ofGate())?.overruns === 1, 'the overrun is told with the gate');
  assert.deepEqual(await stored('reading-1'), [], 'it is not readable');
  await scene.settled();
  const again = await post(readingsUrl(house), truck, JSON.stringify({ _id: 'reading-1', stop: undefined }));
  assert.equal(again.status, 202, 'the same reading is judged anew');
  await eventually(async () => (await stored('reading-1')).length > 0, 'it is readable');
  const rows = (await stored('reading-1')).map(({ revision }) => revision > receipt.revision);
  assert.deepEqual(rows, [true], 'once, as it was judged then');
});

/** Killed between commit and look; started again as the product, once the receipt for a change of `touched` was given. */
async function killedThere(stop: string, touched: string): Promise<ReadingView[]> {
  const { house, operator } = scene;
  await startStoppingGate();
  await scene.settled();
  const { answer } = await commitAndStop(stop);
  const receipt = await operator.set(touched, { site: 'port' });
  assert.deepEqual([receipt.confirmed, outcomesOf(receipt)], [true, ['gate-1 lease_expired']]);
  await house.gate?.kill();
  await assert.rejects(answer, 'it was not acknowledged');
  await house.startGate();
  await scene.settled();
  return stored(stop);
}

test('P7: killed there and started again, its last batch stays readable where no receipt touched its subjects', async () => {
  const readings = await killedThere('reading-2', 'truck-18');
  assert.deepEqual(
    readings.map(({ proof }) => proof),
    ['proven'],
  );
  assert.equal((await ofGate())?.unproven, 0);
});

test('P7: killed there and started again, rows whose subjects a receipt touched meanwhile stay and are named unproven', async () => {
  const readings = await killedThere('reading-3', 'truck-17');
  assert.deepEqual(
    readings.map(({ proof }) => proof),
    ['unproven'],
  );
  await eventually(async () => (await ofGate())?.unproven === 1, 'it is told with the gate');
  await scene.house.gate?.line(/unproven: the last batch of a process that died/);
});
