/** What who has no credential, or one that is worth nothing any more, can do to those who share an address with him: nothing. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { JournalEntryView } from '@portcullis/contract';
import {
  type Credential,
  confirm,
  enrol,
  exchange,
  makeKey,
  makeRequest,
  parseAnswer,
  renew,
} from '@portcullis/device';
import { z } from 'zod';
import { succeeded } from '../../../../../tools/commands.ts';
import { eventually, House, post } from '../../house.ts';
import { Operator, TokensCreated } from '../../operator.ts';

const Entries = z.looseObject({ items: z.array(JournalEntryView) });

let house: House;
let operator: Operator;

before(async () => {
  house = await House.open();
  operator = new Operator(house.fleet);
});
after(async () => {
  operator?.close();
  await house?.close();
});

async function tokenOf(subject: string): Promise<string> {
  const asked = { tokens: [{ subject }] };
  const made = await exchange(operator.link, `${operator.credential.authority}/v1/tokens`, asked, TokensCreated);
  return made.tokens[0]?.token as string;
}

/** Asks with a token that nobody made. Resolves to the reasons of the refusals. */
async function fail(times: number): Promise<string[]> {
  const { enrolment, roots } = operator.credential;
  const request = makeRequest(makeKey(), 'truck-99').toString('base64');
  const told = [];
  for (let count = 0; count < times; count++) {
    const body = JSON.stringify({ secret: 'x'.repeat(43), request });
    const answer = await post(`${enrolment}/v1/enrolments`, { ca: roots }, body);
    told.push((JSON.parse(answer.body) as { reason: string }).reason);
  }
  return told;
}

test('who fails again and again is told to wait, and others behind the same address enrol and renew meanwhile', async () => {
  const token = await tokenOf('truck-1');
  const told = await fail(60);
  assert.deepEqual(
    told.slice(0, 20),
    Array.from({ length: 20 }, () => 'token_refused'),
  );
  assert.ok(told.includes('rate_limited'), 'then it is told that it was too often');
  const directory = join(house.home, 'truck-1');
  const credential = await enrol({ token, directory });
  const next = await renew({ credential, directory });
  await confirm({ credential: next, directory });
});

test('a superseded certificate that asks for renewal again and again raises one alarm, and fills no journal', async () => {
  const directory = join(house.home, 'truck-2');
  const old: Credential = await enrol({ token: await tokenOf('truck-2'), directory });
  await confirm({ credential: await renew({ credential: old, directory }), directory });
  for (let count = 0; count < 5; count++) {
    await assert.rejects(renew({ credential: old, directory }), {
      code: /^(renewal_refused|rate_limited)$/,
    });
  }
  const url = `${operator.credential.authority}/v1/journal?limit=1000`;
  const { items } = Entries.parse(parseAnswer(await operator.link.request({ url })));
  assert.equal(items.filter(({ action }) => action === 'clone_suspected').length, 1);
});

/** Connections from another address of this machine that never say anything. */
async function silent(port: string, count: number): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () =>
    connect({ host: '127.0.0.1', port: Number(port), localAddress: '127.0.0.2' })
      .on('error', () => undefined)
      .resume(),
  );
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  return sockets;
}

test('P13: silent connections of one address to both listeners are bounded, and others enrol and change meanwhile', async () => {
  const { enrolment = '', authority = '' } = operator.credential;
  const held = [...(await silent(new URL(enrolment).port, 400)), ...(await silent(new URL(authority).port, 400))];
  await eventually(() => held.filter(({ closed }) => closed).length >= 2 * (400 - 256), 'the rest is turned away');
  const newcomer = new Operator(house.fleet);
  const token = await tokenOf('truck-3');
  await enrol({ token, directory: join(house.home, 'truck-3') });
  assert.equal((await newcomer.set('truck-3', { site: 'berlin' })).confirmed, true);
  newcomer.close();
  for (const socket of held) socket.destroy();
});

test('who renewed with a copied key loses what he got once the certificate that he copied is revoked, and the answer names it', async () => {
  const directory = join(house.home, 'truck-31');
  const copied = await enrol({ token: await tokenOf('truck-31'), directory });
  const renewed = await renew({ credential: copied, directory });
  const [first, second] = [copied, renewed].map(({ certificate }) =>
    new X509Certificate(certificate).fingerprint256.replaceAll(':', '').toLowerCase(),
  ) as [string, string];
  const output = await succeeded('portcullis', 'certificate', 'revoke', first, '--fleet', house.fleet);
  assert.match(output, new RegExp(`revoke ${first}, and what was renewed from it: ${second}`));
  await assert.rejects(confirm({ credential: renewed, directory }), { code: /^(renewal_refused|rate_limited)$/ });
  const [shown] = await house.json<{ standing: string }>('certificate', 'show', second);
  assert.equal(shown?.standing, 'revoked');
  const next = await tokenOf('truck-32');
  const other = await enrol({ token: next, directory: join(house.home, 'truck-32') });
  const [answer] = await house.json<{ certificates: string[] }>('certificate', 'suspend', 'truck-32');
  assert.deepEqual(answer?.certificates, [
    new X509Certificate(other.certificate).fingerprint256.replaceAll(':', '').toLowerCase(),
  ]);
});
