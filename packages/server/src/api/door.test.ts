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
    { listener: 'api', connections: pendingHandshakesMax, displaced: 0, turnedAway: 1 },
    { listener: 'enrolment', connections: 0, displaced: 0, turnedAway: 0 },
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
