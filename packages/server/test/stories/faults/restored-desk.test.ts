/** The authority's store comes back as it was before: a desk that told strangers more does not take back what it told. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import type { DeskView } from '@portcullis/contract';
import { finished, freeBasePort, Running, succeeded } from '../../../../../tools/commands.ts';
import { readList } from '../../../src/pki/pki.ts';
import { eventually, House } from '../../house.ts';

const present = spawnSync('openssl', ['version']).status === 0;
const skip = !present && process.env.CI !== 'true' && 'needs openssl';

let house: House;
let desk: Running | undefined;
const pem = { cut: '', other: '' };
before(async () => {
  if (skip) return;
  house = new House();
  house.basePort = await freeBasePort();
  const place = ['--base-port', String(house.basePort), '--public-name', 'localhost'];
  await succeeded('portcullis', 'init', house.fleet, ...place);
  await house.startAuthority();
  await startDesk();
  for (const [name, subject] of [
    ['cut', 'truck-17'],
    ['other', 'truck-18'],
  ] as const) {
    const device = await house.device(subject);
    pem[name] = join(house.home, `${name}.pem`);
    writeFileSync(pem[name], (await house.pem(device)).cert);
  }
});
after(async () => {
  await desk?.stop();
  await house?.close();
});

async function startDesk(): Promise<void> {
  desk = new Running('portcullis', 'start', 'desk', house.fleet);
  await desk.line(/^desk listening/);
}

async function fetched(path: string): Promise<{ status: number; body: Buffer }> {
  const url = `http://localhost:${house.basePort + 9}${path}`;
  const answer = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
    get(url, { agent: false }, resolve).once('error', reject);
  });
  return { status: answer.statusCode ?? 0, body: await buffer(answer) };
}

/** What the desk says of a certificate, and why it says nothing. */
function said(who: keyof typeof pem): string {
  const issuer = join(house.home, 'issuer.pem');
  const words = ['ocsp', '-issuer', issuer, '-cert', pem[who], '-url', `http://localhost:${house.basePort + 9}/ocsp`];
  const { stdout, stderr } = spawnSync('openssl', [...words, '-noverify'], { encoding: 'utf8' });
  return (
    /: (good|revoked)|Responder Error: (\w+)/.exec(`${stdout}${stderr}`)?.slice(1).join('').replace('undefined', '') ??
    ''
  );
}

const listPath = '/crl/issuer-device.crl';
const numberNow = async () => readList((await fetched(listPath)).body).number;

/** A store that does not know what was revoked since, on the machine that led all the time. */
async function restored(backup: string): Promise<void> {
  const store = join(house.fleet, 'authority');
  await house.authority?.stop();
  rmSync(store, { recursive: true });
  cpSync(backup, store, { recursive: true });
  await house.startAuthority();
}

test('P9: after a restore that lost a revocation no desk says good or gives a list without it, until an operator says so', {
  skip,
}, async () => {
  await eventually(async () => (await fetched('/ca/issuer-device.cer')).status === 200, 'issuers are told');
  const { body } = await fetched('/ca/issuer-device.cer');
  spawnSync('openssl', ['x509', '-inform', 'DER', '-out', join(house.home, 'issuer.pem')], { input: body });
  const backup = join(house.home, 'backup');
  await house.authority?.stop();
  cpSync(join(house.fleet, 'authority'), backup, { recursive: true });
  await house.startAuthority();
  await succeeded('portcullis', 'certificate', 'revoke', 'truck-17', '--fleet', house.fleet);
  await eventually(() => said('cut') === 'revoked', 'the desk says it');
  assert.equal(said('other'), 'good');
  const onList = async () => readList((await fetched(listPath)).body).entries.length;
  await eventually(async () => (await onList()) === 1, 'the list has it');
  const number = await numberNow();

  await restored(backup);
  await desk?.line(/revision_regressed/);
  await eventually(() => said('other') === 'trylater', 'of nothing that holds it is known how it stands');
  assert.equal(said('cut'), 'revoked', 'what was revoked stays so');
  assert.deepEqual([await onList(), await numberNow()], [1, number]);
  const [view] = await house.json<DeskView>('desk', 'list');
  await eventually(
    async () => (await house.json<DeskView>('desk', 'list'))[0]?.report?.verifiers?.standings === null,
    `${view?.desk} counts for no receipt`,
  );

  await desk?.stop();
  await startDesk();
  await desk?.line(/revision_regressed/);
  assert.deepEqual([said('cut'), said('other')], ['trylater', 'trylater']);
  assert.equal((await fetched(listPath)).status, 404, 'no list at all');

  const accepted = await finished('portcullis', 'desk', 'accept-restore', house.fleet);
  assert.match(accepted.out, /starts anew/);
  await eventually(() => said('other') === 'good', 'the desk goes on from what the authority has');
  assert.equal(said('cut'), 'good', 'nobody revoked it again');
  await eventually(async () => (await fetched(listPath)).status === 200, 'lists are given');
  assert.ok((await numberNow()) > number, 'a number is never given twice');
});
