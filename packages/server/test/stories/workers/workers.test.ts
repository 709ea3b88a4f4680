/** One gate as several processes: what they promise together, when they die, stand still, stop and are asked. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { Receipt } from '@portcullis/contract';
import { standStill } from '../../../../../test/standstill.ts';
import { finished, Running, succeeded } from '../../../../../tools/commands.ts';
import { eventually, House, type Pem, post, readingsUrl } from '../../house.ts';
import { Operator } from '../../operator.ts';
import { ask, dropSchema, newSchema, skip, urlOf } from '../../postgres.ts';

const workers = 2;
const schema = newSchema();
let house: House;
let operator: Operator;
let truck: Pem;

before(async () => {
  if (skip) return;
  house = await House.open((made) => {
    const { leaseMs, patienceMs } = made.lease(2_000);
    made.configure('fleet.yaml', (text) => `${text}leaseMs: ${leaseMs}\npatienceMs: ${patienceMs}\n`);
    made.configure('gate.yaml', (text) => `${text}sink: ${urlOf(schema)}\nworkers: ${workers}\n`);
  });
  operator = new Operator(house.fleet);
  truck = await operator.enrolled('truck-17', join(house.home, 'truck-17'));
});
after(async () => {
  operator?.close();
  await house?.close();
  if (!skip) await dropSchema(schema);
});

/** The processes of the gate, in the order of their numbers. */
function pids(): number[] {
  const found = spawnSync('pgrep', ['-P', String(house.gate?.process.pid)], { encoding: 'utf8' }).stdout;
  const all = found.split('\n').filter((line) => line !== '');
  const numberOf = (pid: string) =>
    Number(/"number":(\d+)/.exec(readFileSync(`/proc/${pid}/environ`, 'utf8'))?.[1] ?? '0');
  return all.toSorted((one, other) => numberOf(one) - numberOf(other)).map(Number);
}

const held = async () => (await operator.gates()).filter(({ lease }) => lease === 'held');

/** Of the process that runs as this worker; undefined while none answers. */
const instanceOf = (number: number) =>
  operator.ofGate(`${house.gateUrl}/v1/workers/${number}/v1/status`).then(
    ({ body }) => (JSON.parse(body) as { instance?: string }).instance,
    () => undefined,
  );

/** Those that run now do: the lease of one that was killed may run on beside them. */
const allHold = () =>
  eventually(async () => {
    const running = await Promise.all(Array.from({ length: workers }, (_, place) => instanceOf(place + 1)));
    const holders = new Set((await held()).map(({ instance }) => instance));
    return running.every((instance) => instance !== undefined && holders.has(instance));
  }, 'each worker holds a lease');

/** Connections are given to workers in turn: two after each other are at two of them. */
function connectionsToAll(): Agent[] {
  return Array.from({ length: workers }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
}

const send = (agent: Agent, id: string, from = truck) =>
  post(readingsUrl(house), from, JSON.stringify({ _id: id, t: 1 }), {}, agent);

const stored = (id: string) =>
  ask<{ gate: string }>(`SELECT gate FROM ${schema}.readable_readings WHERE id = $1`, [id]);

test('a sink that has one writer is refused, with the sinks that may have several', { skip }, async () => {
  const alone = join(house.home, 'alone');
  mkdirSync(alone);
  const text = readFileSync(join(house.fleet, 'gate.yaml'), 'utf8').replace(/^(sink|workers): .*\n/gm, '');
  writeFileSync(join(alone, 'gate.yaml'), text);
  const refused = [
    [['gate', alone, '--workers', '2'], 1, /a "sink" .*postgres:\/\/.*nats:\/\/.*\(config_invalid\)/s],
    [['gate', alone, '--workers', '17'], 2, /from 1 to 16/],
    [['authority', alone, '--workers', '2'], 2, /the authority is one process/],
  ] as const;
  await Promise.all(
    refused.map(async ([words, status, told]) => {
      const ended = await finished('portcullis', 'start', ...words);
      assert.equal(ended.status, status);
      assert.match(ended.error, told);
    }),
  );
});

test('a reading that comes to each of them is stored once, and is listed whichever of them is asked', {
  skip,
}, async () => {
  const agents = connectionsToAll();
  for (let reading = 0; reading < 6; reading++)
    for (const agent of agents) assert.equal((await send(agent, `once-${reading}`)).status, 202);
  for (const agent of agents) assert.equal((await send(agent, `of-${agents.indexOf(agent)}`)).status, 202);
  await eventually(async () => (await stored('of-1')).length === 1, 'all is readable');
  for (let reading = 0; reading < 6; reading++) assert.equal((await stored(`once-${reading}`)).length, 1);
  const gates = await ask<{ gate: string }>(`SELECT DISTINCT gate FROM ${schema}.readable_readings ORDER BY gate`);
  assert.deepEqual(
    gates.map(({ gate }) => gate),
    ['gate-1', 'gate-1#2'],
    'both of them store',
  );
  const listed = await house.json<{ id: string; gate: string }>('readings', 'telemetry');
  const ids = listed.map(({ id }) => id);
  assert.deepEqual(new Set(ids).size, ids.length);
  assert.equal(ids.length, 8);
  assert.deepEqual([...new Set(listed.map(({ gate }) => gate))], ['gate-1']);
  for (const agent of agents) agent.destroy();
});

test('a cut ends the connections at each of them, and one receipt names them all', { skip }, async () => {
  const agents = connectionsToAll();
  const thief = await operator.enrolled('truck-18', join(house.home, 'truck-18'));
  for (const agent of agents) assert.equal((await send(agent, 'before', thief)).status, 202);
  const receipt: Receipt = await operator.set('truck-18', { status: 'stolen' });
  assert.equal(receipt.confirmed, true);
  assert.equal(receipt.connectionsClosed, workers);
  const applied = receipt.gates.filter(({ outcome }) => outcome === 'applied');
  assert.equal(new Set(applied.map(({ instance }) => instance)).size, workers);
  for (let tries = 0; tries < 4; tries++)
    assert.equal((await send(new Agent({ keepAlive: false }), 'after', thief)).status, 403);
  for (const agent of agents) agent.destroy();
});

/** Devices that send over connections that stay, each reading again by its id until it is acknowledged, here or at the next gate. */
class Senders {
  readonly acknowledged: string[] = [];
  readonly #prefix: string;
  readonly #done: Promise<unknown>;
  #ending = false;

  constructor(context: TestContext, prefix: string, devices: readonly Pem[], urls: readonly string[]) {
    context.after(() => {
      this.#ending = true;
    });
    this.#prefix = prefix;
    this.#done = Promise.all(devices.map((device, index) => this.#send(device, `${prefix}-${index}`, urls)));
  }

  async #send(device: Pem, name: string, urls: readonly string[]): Promise<void> {
    let agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let [number, at] = [0, 0]; !this.#ending; ) {
      const id = `${name}-${number}`;
      const url = urls[at % urls.length] as string;
      const answer = await post(url, device, JSON.stringify({ _id: id, t: 1 }), {}, agent).catch(() => undefined);
      if (answer?.status === 202) {
        this.acknowledged.push(id);
        number++;
        await pause(10);
        continue;
      }
      at++;
      agent.destroy();
      agent = new Agent({ keepAlive: true, maxSockets: 1 });
      await pause(50);
    }
    agent.destroy();
  }

  more(count: number): Promise<void> {
    const before = this.acknowledged.length;
    return eventually(() => this.acknowledged.length > before + count, 'readings are acknowledged');
  }

  /** All that was acknowledged is readable, each once. */
  async end(): Promise<void> {
    this.#ending = true;
    await this.#done;
    const there = async () => {
      const rows = await ask<{ id: string }>(
        `SELECT id FROM ${schema}.readable_readings WHERE id LIKE '${this.#prefix}-%' GROUP BY id HAVING count(*) = 1`,
      );
      const ids = new Set(rows.map(({ id }) => id));
      return this.acknowledged.every((id) => ids.has(id));
    };
    await eventually(there, 'all that was acknowledged is readable, once');
  }
}

test('a worker that is killed starts again, and what was acknowledged is there', { skip }, async (context) => {
  const senders = new Senders(context, 'killed', [truck, truck], [readingsUrl(house)]);
  for (const number of [2, 1]) {
    await senders.more(20);
    const pid = pids()[number - 1] as number;
    process.kill(pid, 'SIGKILL');
    await house.gate?.line(new RegExp(`worker ${number} of the gate ended \\(SIGKILL\\); starting it again`));
    await eventually(() => pids().length === workers && !pids().includes(pid), 'it is started again');
    await allHold();
  }
  await senders.end();
});

test('one that stands still holds a receipt back no longer than its lease, and takes nothing of it afterwards', {
  skip,
}, async () => {
  await allHold();
  const running = new Set([await instanceOf(1), await instanceOf(2)]);
  const { leaseMs, patienceMs } = house.lease(2_000);
  const pid = pids()[1] as number;
  standStill(pid);
  try {
    const receipt = await operator.set('truck-17', { note: 'while one stands still' }, 60_000);
    assert.equal(receipt.confirmed, true);
    // Beside them may stand one that was killed before, whose lease has just ended.
    const outcomes = receipt.gates.filter(({ instance }) => running.has(instance)).map(({ outcome }) => outcome);
    assert.deepEqual(outcomes.toSorted(), ['applied', 'lease_expired']);
    assert.ok((receipt.elapsedMs ?? 0) <= 1.02 * leaseMs + patienceMs + leaseMs, `${receipt.elapsedMs} ms`);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await allHold();
});

test('each of them is asked by its number, its figures stand beside those of the others', { skip }, async () => {
  const [status] = await house.json<{ gate: string }>('gate', 'list');
  assert.equal(status?.gate, 'gate-1');
  const instances = new Set([await instanceOf(1), await instanceOf(2)]);
  assert.equal(instances.size, workers);
  const { status: unknown } = await operator.ofGate(`${house.gateUrl}/v1/workers/3/v1/status`);
  assert.equal(unknown, 404);
  const { body: figures } = await operator.ofGate(`${house.gateUrl}/v1/metrics`);
  for (const number of [1, 2])
    assert.match(figures, new RegExp(`^portcullis_gate_revision\\{worker="${number}"\\} \\d+$`, 'm'));
});

test('gates that are stopped and started one after the other lose no acknowledgement', { skip }, async (context) => {
  const [directory, port] = [join(house.home, 'gate-2'), house.basePort + 2];
  const [made] = await house.json<{ token: string }>('token', 'create', 'gate-2', '--kind', 'gate');
  await succeeded('portcullis', 'gate', 'join', directory, made?.token as string, '--port', String(port));
  appendFileSync(join(directory, 'gate.yaml'), `sink: ${urlOf(schema)}\n`);
  const start = async () => {
    const gate = new Running('portcullis', 'start', 'gate', directory, '--workers', String(workers));
    await gate.line(/^gate listening/);
    return gate;
  };
  let second = await start();
  context.after(() => second.stop());
  const more = await Promise.all(
    ['truck-20', 'truck-21'].map((name) => operator.enrolled(name, join(house.home, name))),
  );
  const urls = [readingsUrl(house), `https://localhost:${port}/v1/streams/telemetry/readings`];
  const senders = new Senders(context, 'rolling', [truck, ...more], urls);
  await senders.more(20);
  await house.gate?.stop();
  assert.equal(house.gate?.process.exitCode, 0, 'it ended by itself, all of it');
  await senders.more(20);
  await house.startGate();
  await senders.more(20);
  await second.stop();
  assert.equal(second.process.exitCode, 0);
  // What was given back holds no receipt up.
  const receipt = await operator.set('truck-20', { note: 'while one is stopped' });
  assert.equal(receipt.confirmed, true);
  const stopped = receipt.gates.filter(({ gate }) => gate === 'gate-2').map(({ outcome }) => outcome);
  assert.deepEqual([...new Set(stopped)], ['no_lease']);
  await senders.more(20);
  second = await start();
  await senders.more(20);
  await senders.end();
});

test('fewer of them do not start where another one left what it alone can settle', { skip }, async () => {
  assert.ok(readdirSync(join(house.fleet, 'gate')).includes('worker-2'));
  await house.gate?.stop();
  const { status, error } = await finished('portcullis', 'start', 'gate', house.fleet, '--workers', '1');
  assert.equal(status, 1);
  assert.match(error, /worker-2" is what a worker left .* start the gate with --workers 2, stop it, and then remove/);
  await house.startGate();
  await allHold();
});
