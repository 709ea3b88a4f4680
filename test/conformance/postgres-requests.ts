/** A change that carries a request id, at PostgreSQL: what becomes of it where an answer is lost, a commit's or the authority's, and another takes over. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { authoritiesOf } from '@portcullis/contract';
import { Link, readCredential } from '@portcullis/device/client';
import { openJournal } from '../../packages/server/src/journal/journal.ts';
import { createStore, openStore, type Store, storePlace } from '../../packages/server/src/storage/storage.ts';
import { realSystem } from '../../packages/server/src/telemetry/telemetry.ts';
import { eventually, type House } from '../../packages/server/test/house.ts';
import { losingCommits } from '../../packages/server/test/losing-commits.ts';
import { ask, freshSchema, skip, urlOf } from '../../packages/server/test/postgres.ts';
import { TwoAuthorities } from '../../packages/server/test/two-authorities.ts';
import { standStill } from '../standstill.ts';

const opening = { system: realSystem, holder: 'test' };

async function setOnce(store: Store, begun = () => {}): Promise<number> {
  await using journal = await openJournal({ store, system: realSystem });
  begun();
  const entry = { actor: 'operator-1', action: 'attributes.change', request: { id: 'request-1', hash: 'asked' } };
  const { revision } = await journal.change(entry, async (change) => {
    change.attribute('truck-1', 'device', 'status', 'stolen', false);
  });
  return revision;
}

test('rule 17: a commit whose answer is lost was made: its retry at who leads next is answered by it, and makes none', {
  skip,
}, async (context) => {
  const { schema, port, losing } = await losingCommits(context);
  const placeAt = (at?: number) => storePlace('/nowhere', urlOf(schema, at), () => '');
  const store = await createStore(placeAt(port), opening);
  const lose = () => {
    losing.next = true;
  };
  await assert.rejects(setOnce(store, lose), { code: 'store_unavailable', message: /did not say whether/ });
  await store[Symbol.asyncDispose]();
  await using next = await openStore(placeAt(), opening);
  assert.equal(await setOnce(next), 1);
  assert.equal((await ask(`SELECT 1 FROM ${schema}.journal`)).length, 1);
});

/** One change as a program asks for it, at whichever authority leads. */
function programOf(context: TestContext, house: House) {
  const credential = readCredential(join(house.fleet, 'operator.json'));
  const { roots, fleet, authority } = credential;
  const link = new Link({ roots, fleet, credential, role: 'authority', addresses: authoritiesOf(credential) });
  context.after(() => link.close());
  return async (key: string, status: string) => {
    const body = JSON.stringify({ subjects: ['truck-1'], set: { status } });
    const asked = { url: `${authority}/v1/attributes?wait=all`, method: 'POST', body } as const;
    const answer = await link.request({ ...asked, headers: { 'idempotency-key': key } });
    const { revision, changed, confirmed, reason } = JSON.parse(answer.body.toString()) as Record<string, unknown>;
    return { status: answer.status, revision, changed, confirmed, reason };
  };
}

test('rule 17: the leader is killed: a retry at the other authority answers as the first did, and undoes nothing that came between', {
  skip,
}, async (context) => {
  const { url } = freshSchema(context);
  const two = await TwoAuthorities.open(url);
  context.after(() => two.close());
  const { house, leader, standby } = two;
  await house.device('truck-1', { status: 'active' });
  const set = programOf(context, house);
  const key = randomUUID();
  const first = await set(key, 'stolen');
  assert.deepEqual([first.status, first.changed, first.confirmed], [200, 1, true]);
  const found = await set(randomUUID(), 'found');
  const gone = once(leader.process, 'exit');
  leader.process.kill('SIGKILL');
  await gone;
  await standby.line(/^authority listening/);
  await eventually(async () => (await set(key, 'stolen')).confirmed === true, 'receipts again');
  assert.deepEqual(await set(key, 'stolen'), first);
  const other = await set(key, 'sold');
  assert.deepEqual([other.status, other.reason], [422, 'request_id_reused']);
  assert.equal((await set(randomUUID(), 'found')).revision, found.revision, 'it is so still, since then');
});

test('rule 17: the leader is killed while a command waits for its receipt: the command asks the other by the same id, and gets it', {
  skip,
}, async (context) => {
  const { url, schema } = freshSchema(context);
  const two = await TwoAuthorities.open(url);
  context.after(() => two.close());
  const { house, leader, standby } = two;
  await house.device('truck-1', { status: 'active' });
  const revision = async () =>
    Number((await ask<{ revision: string }>(`SELECT revision FROM ${schema}.head`))[0]?.revision);
  const before = await revision();
  // No receipt while its lease may run and it says nothing.
  standStill(house.gate?.process.pid);
  const answered = house.json<{ revision: number; changed: number; confirmed: boolean }>(
    ...['attribute', 'set', 'truck-1', 'status=stolen', '--reason', 'gone', '--wait'],
  );
  await eventually(async () => (await revision()) > before, 'it is committed');
  const gone = once(leader.process, 'exit');
  leader.process.kill('SIGKILL');
  await gone;
  house.gate?.process.kill('SIGCONT');
  await standby.line(/^authority listening/);
  const [answer] = await answered;
  assert.deepEqual([answer?.revision, answer?.changed, answer?.confirmed], [before + 1, 1, true]);
  assert.equal(await revision(), before + 1);
});
