/** Who is cut while the body of a request is still on its way is refused when it is there: the head alone allowed nothing. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { CertificateView, JournalEntryView, type Kind, page } from '@portcullis/contract';
import { type Credential, enrol, exchange, makeKey, makeRequest, parseAnswer } from '@portcullis/device';
import { z } from 'zod';
import { House } from '../../house.ts';
import { Operator, TokensCreated } from '../../operator.ts';
import { BareGate } from './bare-gate.ts';
import { SlowRequest } from './slow-request.ts';

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

async function enrolled(subject: string, kind: Kind): Promise<Credential> {
  const asked = { tokens: [{ subject, kind, attributes: {} }] };
  const made = await exchange(operator.link, `${operator.credential.authority}/v1/tokens`, asked, TokensCreated);
  return enrol({ token: made.tokens[0]?.token as string, directory: join(house.home, subject) });
}

async function standingOf(subject: string): Promise<string | undefined> {
  const url = `${operator.credential.authority}/v1/certificates?subject=${subject}`;
  const { items } = page(CertificateView).parse(parseAnswer(await operator.link.request({ url })));
  return items[0]?.standing;
}

async function lastEntry(): Promise<JournalEntryView> {
  const url = `${operator.credential.authority}/v1/journal?limit=1000`;
  const { items } = Entries.parse(parseAnswer(await operator.link.request({ url })));
  return items.at(-1) as JournalEntryView;
}

/** The head was let in, the cut is confirmed, the last byte comes. */
async function isRefusedAfterTheCut(slow: SlowRequest, action: 'suspend' | 'revoke', subject: string): Promise<void> {
  const { confirmed, revision } = await operator.stand(action, subject);
  assert.equal(confirmed, true);
  assert.equal(slow.answered, '', 'nothing is answered before the body is there');
  const { status, text } = await slow.end();
  assert.equal(status, 403, text);
  assert.match(text, /"not_authenticated"/);
  const { position, revision: head } = await lastEntry();
  assert.equal(head, revision, `the entry at ${position} came after the cut`);
}

test('P9: a suspended operator does not resume himself by a request that he began before', async () => {
  const credential = await enrolled('op-4', 'operator');
  const slow = await SlowRequest.begin(credential, '/v1/standings', { subject: 'op-4', action: 'resume' });
  await isRefusedAfterTheCut(slow, 'suspend', 'op-4');
  assert.equal(await standingOf('op-4'), 'suspended');
});

test('P9: a suspended operator changes no attribute by a request that he began before', async () => {
  const credential = await enrolled('op-5', 'operator');
  const slow = await SlowRequest.begin(credential, '/v1/attributes', { subjects: ['op-5'], set: { site: 'berlin' } });
  await isRefusedAfterTheCut(slow, 'suspend', 'op-5');
});

test('P6: a revoked gate gets no server certificate and no lease by a request that it began before', async () => {
  const gate = new BareGate(await enrolled('gate-slow', 'gate'));
  await gate.feed();
  const certificate = { request: makeRequest(makeKey(), 'gate-slow').toString('base64') };
  const asked: [string, object][] = [
    ['/v1/server-certificates', certificate],
    ['/v1/leases', gate.leaseRequest()],
    ['/v1/reports', { instance: gate.instance, applied: gate.head.revision, connectionsClosed: 0 }],
  ];
  const slow = await Promise.all(asked.map(([path, body]) => SlowRequest.begin(gate.credential, path, body)));
  for (const one of slow) await isRefusedAfterTheCut(one, 'revoke', 'gate-slow');
  gate.close();
});
