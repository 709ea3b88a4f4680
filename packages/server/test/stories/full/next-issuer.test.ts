/** A fleet grows past what one issuer is to have: the next one is made by itself, and nobody who was there before notices. */
import assert from 'node:assert/strict';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Credential, credentialFileIn, readCredential } from '@portcullis/device';
import { decided, eventually, House, readingsUrl } from '../../house.ts';
import { Operator } from '../../operator.ts';

let house: House;
let operator: Operator;
let enrolled = 0;

before(async () => {
  house = await House.open((made) => {
    made.configure('fleet.yaml', (text) => `${text}\nissuers: {perCertificates: 100}\n`);
  });
  operator = new Operator(house.fleet);
});
after(async () => {
  operator?.close();
  await house?.close();
});

/** Resolves to the directory of the first of them. */
async function come(count: number): Promise<string> {
  const directories = Array.from({ length: count }, () => join(house.home, `truck-${++enrolled}`));
  const waiting = [...directories];
  const next = async () => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift())
      await operator.enrolled(basename(one), one);
  };
  await Promise.all([next(), next(), next(), next()]);
  return directories[0] ?? '';
}

const credentialIn = (directory: string): Credential => readCredential(credentialFileIn(directory));

async function states() {
  const { issuers } = await operator.rollovers();
  return issuers.filter(({ role }) => role === 'device').map(({ state }) => state);
}

async function sends(directory: string) {
  const { status, body } = await decided(readingsUrl(house), await house.pem(directory), '{"temperature": 4}');
  return status === 202 ? status : body;
}

test('from 80 of 100 on the next issuer is there, and signs as soon as the first is full; devices of both go on', async () => {
  const early = await come(81);
  await eventually(async () => (await operator.rollovers()).items[0]?.phase === 'trusted', 'the gate holds it');
  assert.deepEqual(await states(), ['issuing', 'next']);
  const { out } = await house.portcullis('rollover', 'status');
  assert.match(
    out,
    /rollover 1 of the issuer for device: trusted .*\n {2}goes {3}nothing\n.*\n {2}by itself: it signs once/,
  );

  await house.authority?.stop();
  await house.startAuthority();
  await eventually(async () => (await states()).length === 2, 'the authority answers again');
  await come(20);
  await eventually(async () => (await states())[1] === 'issuing', 'it signs by itself');
  const late = await come(1);
  const [before, since] = [credentialIn(early), credentialIn(late)];
  assert.notEqual(before.issuer, since.issuer);
  assert.equal(await sends(early), 202);
  await eventually(async () => (await sends(late)) === 202, 'the gate learns of it and lets it in');
  const entries = await house.json<{ action: string; actor: string }>('journal', 'show');
  const steps = entries.filter(({ action }) => action.startsWith('rollovers.'));
  assert.deepEqual(
    steps.map(({ action, actor }) => [action, actor]),
    [
      ['rollovers.start', 'authority'],
      ['rollovers.advance', 'authority'],
      ['rollovers.advance', 'authority'],
    ],
  );
});
