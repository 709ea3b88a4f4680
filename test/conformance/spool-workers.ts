/** A gate as two processes whose PostgreSQL goes away: each has a spool of its own, and what they acknowledged is there once. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually, House, type Pem, post, readingsUrl } from '../../packages/server/test/house.ts';
import { Operator } from '../../packages/server/test/operator.ts';
import { Passage } from '../../packages/server/test/passage.ts';
import { ask, dropSchema, newSchema, skip, urlOf } from '../../packages/server/test/postgres.ts';
import { finished } from '../../tools/commands.ts';

const schema = newSchema();
const far = { host: '127.0.0.1' };
let passage: Passage;
let house: House;
let operator: Operator;
let truck: Pem;

before(async () => {
  if (skip) return;
  passage = await Passage.open(5_432, far);
  house = await House.open((made) => {
    const { leaseMs, patienceMs } = made.lease(2_000);
    made.configure('fleet.yaml', (text) => `${text}leaseMs: ${leaseMs}\npatienceMs: ${patienceMs}\n`);
    made.configure('gate.yaml', (text) => `${text}sink: ${urlOf(schema, passage.port)}\nspool: {}\nworkers: 2\n`);
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

test('P8: each worker has a spool of its own: what comes to both is there once, and fewer workers do not start', {
  skip,
}, async () => {
  const agents = [1, 2].map(() => new Agent({ keepAlive: true, maxSockets: 1 }));
  const send = async (agent: Agent, id: string) => {
    const sent = () => post(readingsUrl(house), truck, JSON.stringify({ _id: id }), {}, agent);
    await eventually(async () => (await sent()).status === 202, `${id} is acknowledged`);
  };
  for (const agent of agents) await send(agent, 'before');
  const { port } = passage;
  await passage.close();
  for (const agent of agents) for (const id of ['a', 'b']) await send(agent, id);
  for (const agent of agents) await send(agent, `of-${agents.indexOf(agent)}`);
  const homes = [join(house.fleet, 'gate'), join(house.fleet, 'gate', 'worker-2')];
  assert.deepEqual(
    homes.map((home) => existsSync(join(home, 'spool', 'reserve'))),
    [true, true],
    'both of them hold something',
  );
  const figures = (await operator.ofGate(`${house.gateUrl}/v1/metrics`)).body;
  assert.match(figures, /^portcullis_gate_spool_readings\{worker="1"\} 3$/m);
  assert.match(figures, /^portcullis_gate_spool_readings\{worker="2"\} 3$/m);
  for (const agent of agents) agent.destroy();
  await house.gate?.stop();
  passage = await Passage.open(5_432, { ...far, port });
  const { status, error } = await finished('portcullis', 'start', 'gate', house.fleet, '--workers', '1');
  assert.deepEqual([status, /worker-2" is what a worker left/.test(error)], [1, true]);
  await house.startGate();
  const stored = () => ask<{ id: string }>(`SELECT id FROM ${schema}.readable_readings ORDER BY id`);
  await eventually(async () => (await stored()).length === 5, 'all is stored');
  assert.deepEqual(
    (await stored()).map(({ id }) => id),
    ['a', 'b', 'before', 'of-0', 'of-1'],
  );
});
