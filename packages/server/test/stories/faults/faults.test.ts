/** Processes that stop, sleep or come back with a past: what the other side does then. */
import assert from 'node:assert/strict';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { finished } from '../../../../../tools/commands.ts';
import { eventually, House, type Pem, post, readingsUrl } from '../../house.ts';

const leaseMs = 2_000;
let house: House;
let pem: Pem;
/** Of a device that nobody cuts. */
let other: Pem;

before(async () => {
  house = await House.open((made) =>
    made.configure('fleet.yaml', (text) => `${text}leaseMs: ${leaseMs}\npatienceMs: 500\n`),
  );
  pem = await house.pem(await house.device('truck-17'));
  other = await house.pem(await house.device('truck-18'));
});
after(() => house.close());

const statusOf = async (identity = pem) => (await post(readingsUrl(house), identity, '{}')).status;

test('P7: a receipt waits for a paused gate no longer than its lease, and says so; resumed, that gate refuses', async () => {
  house.gate?.process.kill('SIGSTOP');
  const receipt = await house.change('attribute', 'set', 'truck-17', 'status=off');
  assert.equal(receipt.confirmed, true);
  assert.deepEqual(
    receipt.gates.map(({ gate, outcome }) => [gate, outcome]),
    [['gate-1', 'lease_expired']],
  );
  assert.ok(receipt.elapsedMs <= 500 + leaseMs * 1.02 + 100, `${receipt.elapsedMs} ms`);
  house.gate?.process.kill('SIGCONT');
  for (let tries = 0; tries < 50; tries++) assert.notEqual(await statusOf(), 202);
  await eventually(async () => (await statusOf()) === 403, 'it has heard of the change');
  assert.equal((await house.change('attribute', 'set', 'truck-17', 'status=active')).gates[0]?.outcome, 'applied');
});

test('P7: an unconfirmed receipt is printed, with exit status 1', async () => {
  house.gate?.process.kill('SIGSTOP');
  const change = await house.portcullis(
    'attribute',
    'set',
    'truck-17',
    'site=berlin',
    '--wait',
    '--wait-limit',
    '0.2',
    '--json',
  );
  house.gate?.process.kill('SIGCONT');
  assert.equal(change.status, 1);
  const receipt = JSON.parse(change.out) as { confirmed: boolean; revision: number; gates: { outcome: string }[] };
  assert.deepEqual([receipt.confirmed, receipt.gates[0]?.outcome], [false, 'pending']);
});

test('P5: with the authority paused the gate refuses within its lease, and goes on when it is resumed', async () => {
  await eventually(async () => (await statusOf()) === 202, 'admitted');
  house.authority?.process.kill('SIGSTOP');
  await eventually(async () => (await statusOf()) === 503, 'refused', leaseMs + 1_000);
  house.authority?.process.kill('SIGCONT');
  await eventually(async () => (await statusOf()) === 202, 'admitted again');
});

test('P7: an authority that was killed gives no receipt before the leases it may have granted are over', async () => {
  house.authority?.process.kill('SIGKILL');
  await house.startAuthority();
  const since = performance.now();
  const receipt = await house.change('attribute', 'set', 'truck-17', 'site=hamburg');
  assert.equal(receipt.confirmed, true);
  assert.ok(performance.now() - since >= leaseMs * 0.5, 'it waited');
});

test('P9: an authority restored from an older backup is not believed, until an operator says so at the gate', async () => {
  await house.gate?.stop();
  await house.authority?.stop();
  const [store, backup] = [join(house.fleet, 'authority'), join(house.home, 'backup')];
  cpSync(store, backup, { recursive: true });
  await house.startAuthority();
  await house.startGate();
  await house.change('certificate', 'revoke', 'truck-17');
  assert.equal(await statusOf(), 403);
  await house.authority?.stop();
  rmSync(store, { recursive: true });
  cpSync(backup, store, { recursive: true });
  await house.startAuthority();
  await eventually(async () => (await statusOf(other)) === 503, 'the gate does not follow it');
  // Changed further, the restored history reaches the same revision with another hash.
  for (const site of ['a', 'b', 'c']) await house.portcullis('attribute', 'set', 'truck-17', `site=${site}`);
  assert.deepEqual([await statusOf(), await statusOf(other)], [403, 503], 'it still knows of the revocation');
  await house.gate?.line(/revision_regressed/);
  await house.gate?.stop();
  assert.equal((await finished('portcullis', 'gate', 'accept-restore', house.fleet)).status, 0);
  await house.startGate();
  assert.equal(await statusOf(), 202, 'what the backup holds is what is believed now');
});

test('P6: a revoked gate loses the feed and gets no lease; receipts wait out the one that is running', async () => {
  const receipt = await house.change('certificate', 'revoke', 'gate-1');
  assert.equal(receipt.confirmed, true);
  await eventually(async () => (await statusOf(other)) === 503, 'it decides nothing any more', leaseMs + 1_000);
  const after = await house.change('attribute', 'set', 'truck-17', 'site=nowhere');
  assert.deepEqual(after.gates, [], 'no gate of valid standing is left');
});
