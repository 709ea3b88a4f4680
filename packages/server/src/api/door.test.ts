import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { FleetCertificates } from '../../test/fleet-certificates.ts';
import { answerMs } from '../bounds/bounds.ts';
import { realSystem } from '../telemetry/telemetry.ts';
import { Doors, pendingHandshakesMax } from './door.ts';

async function open(context: TestContext, handle: RequestListener = () => undefined) {
  const certificates = await FleetCertificates.make();
  const { key, cert } = await certificates.leaf({ subject: 'authority', kind: 'authority', purpose: 'server' });
  const [api, enrolment] = [createServer({ key, cert }, handle), createServer({ key, cert })];
  const doors = new Doors({ system: realSystem, log: { warn() {} } as never });
  doors.guard('api', api);
  doors.guard('enrolment', enrolment);
  api.listen(0, '127.0.0.1');
  await once(api, 'listening');
  context.after(() => {
    api.closeAllConnections();
    api.close();
  });
  return { doors, api, port: (api.address() as AddressInfo).port, ca: certificates.rootPem };
}

test('P13: who had no room at a listener of the authority is counted there, and not at the other', async (context) => {
  const { doors, port } = await open(context);
  const silent = () => connect(port, '127.0.0.1').on('error', () => undefined);
  const held = Array.from({ length: pendingHandshakesMax }, silent);
  context.after(() => {
    for (const socket of held) socket.destroy();
  });
  await Promise.all(held.map((socket) => once(socket, 'connect')));
  await once(silent().resume(), 'close');
  assert.deepEqual(doors.list(), [
    { listener: 'api', connections: pendingHandshakesMax, displaced: 0, turnedAway: 1, unfinishedBytes: 0 },
    { listener: 'enrolment', connections: 0, displaced: 0, turnedAway: 0, unfinishedBytes: 0 },
  ]);
});

test('P13: an answer that its client never reads holds no place at the authority', async (context) => {
  const body = Buffer.alloc(64 * 1_048_576);
  const answering = Promise.withResolvers<void>();
  const { api, port, ca } = await open(context, (_request, response) => {
    response.once('prefinish', () => answering.resolve());
    response.end(body);
  });
  const arrived = once(api, 'secureConnection');
  const client = connectTls({ host: '127.0.0.1', port, ca, checkServerIdentity: () => undefined });
  context.after(() => client.destroy());
  const [socket] = await arrived;
  context.mock.timers.enable({ apis: ['setTimeout'] });
  client.on('error', () => undefined).write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  await answering.promise;
  context.mock.timers.tick(answerMs);
  assert.equal(socket.destroyed, false, 'a long one has longer');
  context.mock.timers.tick(body.length);
  assert.equal(socket.destroyed, true);
});

test('P10: who shows a certificate of a root that is not trusted is told of in the log, of many at once one', async (context) => {
  const [certificates, strange] = [await FleetCertificates.make(), await FleetCertificates.make()];
  const own = await certificates.leaf({ subject: 'authority', kind: 'authority', purpose: 'server' });
  const trusted = { requestCert: true, rejectUnauthorized: true, ca: certificates.rootPem };
  const server = createServer({ key: own.key, cert: own.cert, ...trusted });
  const told: string[] = [];
  const log = { warn: ({ error }: { error: string }, words: string) => told.push(`${error}: ${words}`) };
  new Doors({ system: { monotonic: () => 0 }, log: log as never }).guard('api', server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  const { key, cert } = await strange.leaf({ subject: 'gate-1', kind: 'gate' });
  const comes = async () => {
    const { port } = server.address() as AddressInfo;
    const client = connectTls({ port, host: '127.0.0.1', key, cert, rejectUnauthorized: false });
    await once(client.on('error', () => undefined).resume(), 'close');
  };
  await comes();
  await comes();
  assert.equal(told.length, 1);
  assert.match(
    told[0] ?? '',
    /^[A-Z_]*(SIGNED|ISSUER|LEAF)[A-Z_]*: who came was refused in the handshake, for its client certificate/,
  );
});
