/** What an admitted gate can cost the authority: its share. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { LeaseAnswer, ServerCertificate } from '@portcullis/contract';
import { enrol, exchange, makeKey, makeRequest } from '@portcullis/device';
import { House } from '../../house.ts';
import { Operator, TokensCreated } from '../../operator.ts';
import { BareGate } from '../everyone/bare-gate.ts';

let house: House;
let operator: Operator;
let gate: BareGate;

before(async () => {
  house = await House.open();
  operator = new Operator(house.fleet);
  const asked = { tokens: [{ subject: 'gate-greedy', kind: 'gate', attributes: {} }] };
  const made = await exchange(operator.link, `${operator.credential.authority}/v1/tokens`, asked, TokensCreated);
  const token = made.tokens[0]?.token as string;
  gate = new BareGate(await enrol({ token, directory: join(house.home, 'gate-greedy') }));
});
after(async () => {
  gate?.close();
  operator?.close();
  await house?.close();
});

test('a gate that asks for server certificates without end is told that it is too often', async () => {
  const url = `${gate.credential.authority}/v1/server-certificates`;
  const request = makeRequest(makeKey(), 'gate-greedy').toString('base64');
  const ask = () => exchange(gate.link, url, { request }, ServerCertificate);
  let given = 0;
  await assert.rejects(
    async () => {
      for (; given < 1_000; given++) await ask();
    },
    { code: 'rate_limited' },
  );
  assert.ok(given >= 60 && given < 100, `${given} were given`);
});

test('a gate that invents instances has so many, and a change is confirmed once their leases are over', async () => {
  await gate.feed();
  const asked = () => ({ ...gate.leaseRequest(), instance: randomBytes(16).toString('hex') });
  let granted = 0;
  await assert.rejects(
    async () => {
      for (; granted < 1_000; granted++) {
        await exchange(gate.link, `${gate.credential.authority}/v1/leases`, asked(), LeaseAnswer);
      }
    },
    { code: 'instances_too_many' },
  );
  assert.equal(granted, 32);
  const { confirmed } = await operator.set('gate-greedy', { site: 'berlin' }, 60_000);
  assert.equal(confirmed, true);
});
