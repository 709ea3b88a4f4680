/** A whole gate whose PostgreSQL goes away: what devices are answered, what is cut meanwhile, what a kill leaves, and what operators see. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { GateStatus } from '@portcullis/contract';
import { decided, eventually, House, type Pem, post, readingsUrl } from '../../packages/server/test/house.ts';
import { Operator } from '../../packages/server/test/operator.ts';
import { Passage } from '../../packages/server/test/passage.ts';
import { ask, dropSchema, newSchema, skip, urlOf } from '../../packages/server/test/postgres.ts';

const schema = newSchema();
/** What an operator goes to. */
const other = newSchema();
const far = { host: '127.0.0.1' };
let passage: Passage;
let port = 0;
let house: House;
let operator: Operator;
let truck: Pem;

before(async () => {
  if (skip) return;
  passage = await Passage.open(5_432, far);
  port = passage.port;
  house = await House.open((made) => {
    const { leaseMs, patienceMs } = made.lease(2_000);
    made.configure('fleet.yaml', (text) => `${text}leaseMs: ${leaseMs}\npatienceMs: ${patienceMs}\n`);
    made.configure('gate.yaml', (text) => `${text}sink: ${urlOf(schema, port)}\nspool: { bytesMax: 16777216 }\n`);
  });
  operator = new Operator(house.fleet);
  truck = await operator.enrolled('truck-17', join(house.home, 'truck-17'));
});
after(async () => {
  operator?.close();
  await house?.close();
  await passage?.close();
  if (!skip) await Promise.all([schema, other].map(dropSchema));
});

const send = async (id: string, from = truck) =>
  (await decided(readingsUrl(house), from, JSON.stringify({ _id: id, t: 1 }))).status;
const back = async () => {
  passage = await Passage.open(5_432, { ...far, port });
};
const status = async () => JSON.parse((await operator.ofGate(`${house.gateUrl}/v1/status`)).body) as GateStatus;
const drained = () => eventually(async () => (await status()).spool?.state === 'empty', 'the spool is empty');
const stored = () =>
  ask<{ id: string; subject: string; proof: string }>(
    `SELECT id, subject, proof FROM ${schema}.readable_readings ORDER BY gate, number`,
  );

test('P8: readings are acknowledged while the database is away, and are there once and in order when it is back', {
  skip,
}, async () => {
  assert.equal(await send('a'), 202);
  await eventually(async () => (await stored())[0]?.proof === 'proven', 'it is proven');
  assert.equal((await status()).spool?.state, 'empty');
  await passage.close();
  for (const id of ['b', 'c', 'b', 'd']) assert.equal(await send(id), 202);
  await eventually(async () => (await status()).spool?.state === 'away', 'it is said');
  const { spool } = await status();
  assert.equal(spool?.readings, 3);
  assert.ok(spool.oldest && Date.parse(spool.oldest) <= Date.parse((await status()).time));
  const figures = (await operator.ofGate(`${house.gateUrl}/v1/metrics`)).body;
  assert.match(figures, /^portcullis_gate_spool_readings 3$/m);
  assert.match(figures, /^portcullis_gate_spool_sink_away 1$/m);
  assert.match(figures, /^portcullis_gate_spool_oldest_seconds \d/m);
  const told = await house.portcullis('status');
  assert.equal(told.status, 1);
  assert.match(`${told.out}${told.error}`, /sink is away: 3 acknowledged readings since \S+ in the spool of gate-1/);
  await back();
  await drained();
  assert.equal(await send('e'), 202);
  await eventually(async () => (await stored()).length === 5, 'all is there');
  assert.deepEqual(
    (await stored()).map(({ id, proof }) => [id, id === 'a' || id === 'e' ? 'any' : proof]),
    [
      ['a', 'any'],
      ['b', 'unproven'],
      ['c', 'unproven'],
      ['d', 'unproven'],
      ['e', 'any'],
    ],
  );
});

test('P7: a device that is revoked while its readings wait stores none after the receipt, and those before it are named', {
  skip,
}, async () => {
  const thief = await operator.enrolled('truck-18', join(house.home, 'truck-18'));
  await passage.close();
  assert.equal(await send('before', thief), 202);
  const receipt = await house.change('certificate', 'revoke', 'truck-18', '--reason', 'stolen');
  assert.equal(receipt.confirmed, true, 'a receipt does not wait for the sink');
  assert.equal(await send('after', thief), 403);
  assert.equal(await send('other'), 202);
  await back();
  await drained();
  const rows = (await stored()).filter(({ id }) => ['before', 'after', 'other'].includes(id));
  assert.deepEqual(
    rows.map(({ id, proof }) => `${id} ${proof}`),
    ['before unproven', 'other unproven'],
  );
});

test('kill -9 while readings wait: the gate that starts next has them stored, once', { skip }, async () => {
  await passage.close();
  const ids = Array.from({ length: 20 }, (_, number) => `k${number}`);
  for (const id of ids) assert.equal(await send(id), 202);
  const gone = new Promise((resolve) => house.gate?.process.once('exit', resolve));
  house.gate?.process.kill('SIGKILL');
  await gone;
  await back();
  await house.startGate();
  await drained();
  const there = (await stored()).filter(({ id }) => id.startsWith('k')).map(({ id }) => id);
  assert.deepEqual(there, ids);
});

test('with another sink the gate does not start while something waits, until an operator sends it there', {
  skip,
}, async () => {
  await passage.close();
  assert.equal(await send('moved'), 202);
  await house.gate?.stop();
  await back();
  house.configure('gate.yaml', (text) => text.replace(schema, other));
  const refused = await house.portcullis('start', 'gate');
  assert.equal(refused.status, 1);
  assert.match(refused.error, /holds 1 acknowledged reading of "gate-1" .* "portcullis gate accept-spool"/s);
  const without = (text: string) => text.replace(/^spool: .*\n/m, '');
  const [spool = ''] = /^spool: .*\n/m.exec('spool: { bytesMax: 16777216 }\n') ?? [];
  house.configure('gate.yaml', without);
  assert.match(
    (await house.portcullis('start', 'gate')).error,
    /leave "spool" and "sink" in gate.yaml until they are there/,
  );
  assert.match((await house.portcullis('gate', 'accept-spool')).error, /gate.yaml has no "spool"/);
  house.configure('gate.yaml', (text) => `${text}${spool}`);
  const [accepted] = await house.json<{ readings: number }>('gate', 'accept-spool');
  assert.equal(accepted?.readings, 1);
  await house.startGate();
  await drained();
  const rows = await ask<{ id: string }>(`SELECT id FROM ${other}.readable_readings`);
  assert.deepEqual(
    rows.map(({ id }) => id),
    ['moved'],
  );
});

test('P13: a full spool is 503 with Retry-After, and takes again once the sink has taken some', { skip }, async () => {
  await passage.close();
  const text = 'x'.repeat(60_000);
  const body = (number: number) =>
    Array.from({ length: 60 }, (_, row) => JSON.stringify({ _id: `f${number}-${row}`, text })).join('\n');
  const ndjson = { 'content-type': 'application/x-ndjson' };
  let full: Awaited<ReturnType<typeof post>> | undefined;
  let acknowledged = 0;
  for (let number = 0; number < 20 && !full; number++) {
    const answer = await post(readingsUrl(house), truck, body(number), ndjson);
    if (answer.status === 202) acknowledged += 60;
    else if ((JSON.parse(answer.body) as { reason: string }).reason === 'sink_unavailable') full = answer;
  }
  assert.equal(full?.status, 503);
  assert.ok(Number(full.headers['retry-after']) >= 1);
  assert.ok(acknowledged >= 120);
  await back();
  await drained();
  await eventually(async () => (await send('taken')) === 202, 'it takes again');
});
