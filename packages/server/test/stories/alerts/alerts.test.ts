/** Alerts of a real house on their way out: what was committed is told, whatever ends in between. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { AlertView } from '@portcullis/contract';
import { Webhook } from 'standardwebhooks';
import { webhookSecret } from '../../alert-message.ts';
import { eventually, House } from '../../house.ts';

interface Told {
  id: string;
  type: string;
  data: { phase: string; alerts: { id: string; says: string }[] };
}

const secret = webhookSecret();
/** What the receiver answers, and the messages that it was sent, each with its status. */
const receiver = { status: 500, told: [] as (Told & { status: number })[] };
const server = createServer(async (request, answer) => {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const body = Buffer.concat(pieces).toString();
  const event = new Webhook(secret).verify(body, request.headers as Record<string, string>) as Told;
  receiver.told.push({ ...event, status: receiver.status });
  answer.writeHead(receiver.status).end();
});

let house: House;
before(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as { port: number };
  house = await House.open((made) => {
    const { leaseMs, patienceMs } = made.lease(1_000);
    writeFileSync(join(made.fleet, 'duty.secret'), `${secret}\n`, { mode: 0o600 });
    const target = `webhook: "http://127.0.0.1:${port}/", secrets: [duty.secret], allowPrivate: true, groupWait: 1s`;
    const section = `alerts:\n  targets:\n    duty: { ${target} }\nleaseMs: ${leaseMs}\npatienceMs: ${patienceMs}\n`;
    made.configure('fleet.yaml', (text) => text + section);
  });
});
after(async () => {
  await house.close();
  server.close();
});

const tellings = async (kind: string) => {
  const [alert] = await house.json<AlertView>('alert', 'list', '--kind', kind);
  return alert?.tellings.map(({ target, phase, state }) => `${target} ${phase} ${state}`);
};

test('what is committed is told, under one id, though the target fails and the authority is killed in between', async () => {
  const [{ alert } = assert.fail()] = await house.json<{ alert: string }>('alert', 'test');
  await eventually(async () => receiver.told.length > 0, 'the first try');
  assert.deepEqual(await tellings('test'), ['duty raised waiting']);
  await house.authority?.kill();
  receiver.status = 204;
  await house.startAuthority();
  await eventually(async () => receiver.told.some(({ status }) => status === 204), 'told');
  const [first, ...others] = receiver.told;
  assert.deepEqual(
    first?.data.alerts.map(({ id }) => id),
    [alert],
  );
  for (const { status: _status, ...again } of others) assert.deepEqual({ ...again, status: 500 }, first);
  await eventually(async () => (await tellings('test'))?.[0] === 'duty raised told', 'on record');
});

test('a gate that is killed rings, and once it is there again that is told too', async () => {
  await house.gate?.kill();
  const lost = (phase: string) =>
    receiver.told.some(({ type, data }) => type === 'portcullis.alert.lease_lost' && data.phase === phase);
  await eventually(async () => lost('raised'), 'the lease is lost');
  await house.startGate();
  await eventually(async () => lost('settled'), 'the gate holds a lease again');
});
