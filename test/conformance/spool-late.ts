/** A whole gate whose sink is away when it starts: PostgreSQL with a spool, without one, and all of a fleet by `up`; a JetStream. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { GateStatus } from '@portcullis/contract';
import { decided, eventually, House, type Pem, post, readingsUrl } from '../../packages/server/test/house.ts';
import { NatsServer, password, skip as skipNats } from '../../packages/server/test/nats-server.ts';
import { Operator } from '../../packages/server/test/operator.ts';
import { Passage } from '../../packages/server/test/passage.ts';
import { ask, dropSchema, newSchema, skip, urlOf } from '../../packages/server/test/postgres.ts';
import { freeBasePort, Running } from '../../tools/commands.ts';
import { patienceMs } from '../patience.ts';

const schema = newSchema();
const spool = 'spool: { bytesMax: 16777216 }\n';
let port = 0;
let passage: Passage | undefined;
let house: House;
let operator: Operator;
let truck: Pem;

before(async () => {
  if (skip) return;
  port = await freeBasePort();
  house = await House.open((made) => {
    const { leaseMs, patienceMs: patience } = made.lease(2_000);
    made.configure('fleet.yaml', (text) => `${text}leaseMs: ${leaseMs}\npatienceMs: ${patience}\n`);
    made.configure('gate.yaml', (text) => `${text}sink: ${urlOf(schema, port)}\n${spool}`);
  });
  operator = new Operator(house.fleet);
  truck = await operator.enrolled('truck-17', join(house.home, 'truck-17'));
});
after(async () => {
  operator?.close();
  await house?.close();
  await passage?.close();
  if (!skip) await dropSchema(schema);
});

const back = async () => {
  passage = await Passage.open(5_432, { port, host: '127.0.0.1' });
};
const leave = async () => {
  await passage?.close();
  passage = undefined;
};
const body = (id: string) => JSON.stringify({ _id: id, t: 1 });
const send = (id: string, from = truck) => decided(readingsUrl(house), from, body(id));
const sendOnce = (id: string) => post(readingsUrl(house), truck, body(id));
const status = async () => JSON.parse((await operator.ofGate(`${house.gateUrl}/v1/status`)).body) as GateStatus;
const stored = () =>
  ask<{ id: string; proof: string }>(`SELECT id, proof FROM ${schema}.readable_readings ORDER BY gate, number`);

test('P8: a gate with a spool starts without its database, acknowledges, and stores all of it when that comes', {
  skip,
}, async () => {
  for (const id of ['a', 'b', 'a']) assert.equal((await send(id)).status, 202);
  const { spool: waits } = await status();
  assert.deepEqual([waits?.state, waits?.readings], ['away', 2]);
  const told = await house.portcullis('status');
  assert.equal(told.status, 1);
  assert.match(`${told.out}${told.error}`, /sink is away: 2 acknowledged readings since \S+ in the spool of gate-1/);
  const thief = await operator.enrolled('truck-18', join(house.home, 'truck-18'));
  const receipt = await house.change('certificate', 'revoke', 'truck-18', '--reason', 'stolen');
  assert.equal(receipt.confirmed, true, 'a receipt does not wait for the sink');
  assert.equal((await send('after', thief)).status, 403);
  await house.gate?.stop();
  assert.equal(house.gate?.process.exitCode, 0, 'it stops cleanly');
  await house.startGate();
  assert.equal((await send('c')).status, 202);
  await back();
  await eventually(async () => (await status()).spool?.state === 'empty', 'the spool is empty');
  assert.equal((await send('d')).status, 202);
  await eventually(async () => (await stored()).at(-1)?.proof === 'proven', 'it goes on as ever');
  assert.deepEqual(
    (await stored()).map(({ id, proof }) => `${id} ${proof}`),
    ['a unproven', 'b unproven', 'c unproven', 'd proven'],
  );
});

test('P13: a gate without a spool starts without its database, answers 503, and takes readings when that comes', {
  skip,
}, async () => {
  await house.gate?.stop();
  await leave();
  house.configure('gate.yaml', (text) => text.replace(spool, ''));
  await house.startGate();
  const answer = await sendOnce('e');
  assert.equal(answer.status, 503);
  assert.equal((JSON.parse(answer.body) as { reason: string }).reason, 'sink_unavailable');
  assert.ok(Number(answer.headers['retry-after']) >= 1);
  const told = await house.portcullis('status');
  assert.equal(told.status, 1);
  assert.match(`${told.out}${told.error}`, /gate-1 stores no reading since \S+, and devices keep theirs/);
  await back();
  await eventually(async () => (await sendOnce('e')).status === 202, 'it takes readings');
  await eventually(async () => (await stored()).at(-1)?.proof === 'proven', 'it goes on as ever');
  assert.equal((await house.portcullis('status')).status, 0);
});

test('"up" without the database of the gate starts all that it starts', { skip }, async () => {
  await Promise.all([house.gate?.stop(), house.authority?.stop()]);
  await leave();
  const up = new Running('portcullis', 'up', house.fleet);
  try {
    await Promise.all([up.line(/^authority listening/, patienceMs), up.line(/^gate listening/, patienceMs)]);
    assert.equal((await sendOnce('f')).status, 503);
  } finally {
    await up.stop();
  }
});

test('P8: a gate starts without its JetStream, acknowledges from its spool, and stores all of it when that comes', {
  skip: skipNats,
}, async (context) => {
  let server: NatsServer | undefined;
  context.after(() => server?.remove());
  const other = await House.open(async (made) => {
    server = await NatsServer.start(await freeBasePort());
    const user = server.newUser();
    await server.makeStream(user);
    await server.kill();
    writeFileSync(join(made.fleet, 'word'), `${password}\n`, { mode: 0o600 });
    const sink = `nats://${user}@127.0.0.1:${server.port}/readings?passfile=word`;
    made.configure('gate.yaml', (text) => `${text}sink: ${sink}\n${spool}`);
  });
  context.after(() => other.close());
  const device = await other.pem(await other.device('truck-1'));
  const sent = async (id: string) => (await decided(readingsUrl(other), device, body(id))).status;
  for (const id of ['a', 'b']) assert.equal(await sent(id), 202);
  await server?.start();
  // Until the stream is there the gate says that it is not.
  const readable = async () => {
    const { status, out } = await other.portcullis('readings', 'telemetry', '--json');
    const lines = status === 0 ? out.split('\n').filter((line) => line !== '') : [];
    return lines.map((line) => (JSON.parse(line) as { id: string }).id).join();
  };
  await eventually(async () => (await readable()) === 'a,b', 'both are in the stream');
  assert.equal(await sent('c'), 202);
  await eventually(async () => (await readable()) === 'a,b,c', 'it goes on as ever');
});
