/**
 * What a gate says beside an acknowledgement while an issuer, or the root, is followed by another: `portcullis-device run` renews long before
 * its time, once for each bundle.
 */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { CertificateView, RolloversView, RolloverView } from '@portcullis/contract';
import { credentialFileIn, enrol, readCredential } from '@portcullis/device';
import { eventually } from '../../packages/server/test/house.ts';
import { finished, freeBasePort, Running, succeeded } from '../../tools/commands.ts';
import { shortLived } from './house.ts';

const home = mkdtempSync(join(tmpdir(), 'portcullis-told-'));
const fleet = join(home, 'fleet');
/** Certificates of devices live ten minutes and are due after six and more: who is told renews within two. */
const lives = ['30', '600'];
const toldMs = 300_000;
const names = ['truck-1', 'truck-2', 'truck-3'];
const running: Running[] = [];

const portcullis = (...words: string[]) => succeeded('portcullis', ...words, '--fleet', fleet);
const held = (name: string) => readCredential(credentialFileIn(join(home, name)));
const issuerOf = (name: string) => new X509Certificate(held(name).certificate).issuer;
const latest = async () =>
  (JSON.parse(await portcullis('rollover', 'status', '--json')) as RolloversView).items[0] as RolloverView;

async function serve(server: Running, role: string): Promise<void> {
  running.push(server);
  await server.line(new RegExp(`^${role} listening`));
}

before(async () => {
  const made = await finished(shortLived, 'init', fleet, ...lives, String(await freeBasePort()));
  assert.equal(made.status, 0, made.error);
  await serve(new Running(shortLived, 'authority', fleet, ...lives), 'authority');
  for (const role of ['gate', 'desk']) await serve(new Running('portcullis', 'start', role, fleet), role);
  for (const name of names) {
    const directory = join(home, name);
    await enrol({ token: await portcullis('token', 'create', name), directory });
    running.push(new Running('portcullis-device', 'run', '--metrics', '--interval', '1', '--device', directory));
  }
});
after(async () => {
  for (const process of running.toReversed()) await process.stop();
  rmSync(home, { recursive: true, force: true });
});

test('devices renew for a new root as soon as they are told, and once more for who signs below it; nobody waits for their own time', async () => {
  const ownTime = Math.min(...names.map((name) => Date.parse(held(name).renewAfter)));
  await portcullis('rollover', 'start', 'root');
  const { bundle } = await latest();
  const holds = (name: string) => held(name).bundleVersion >= bundle && held(name).unconfirmed === undefined;
  await eventually(() => names.every(holds), 'each holds the new bundle', toldMs);
  assert.ok(Date.now() < ownTime, 'they were told');
  const lacking = async () => (await latest()).lacking.named.map(({ kind }) => kind);
  await eventually(async () => !(await lacking()).includes('device'), 'the authority knows');
  await portcullis('operator', 'renew');
  await eventually(async () => (await lacking()).length === 0, 'gate and desk hold it');
  await portcullis('rollover', 'advance');
  const secondTime = Math.min(...names.map((name) => Date.parse(held(name).renewAfter)));
  await portcullis('rollover', 'advance');
  await eventually(() => names.every((name) => issuerOf(name).includes('device-2 issuer')), 'each is below it', toldMs);
  assert.ok(Date.now() < secondTime, 'they were told');
  for (const name of names) {
    const lines = (await portcullis('certificate', 'list', '--subject', name, '--json')).split('\n');
    const certificates = lines.map((line) => JSON.parse(line) as CertificateView);
    assert.equal(certificates.length, 3, `${name}: the first, one for the bundle, one of the new issuer`);
  }
});
