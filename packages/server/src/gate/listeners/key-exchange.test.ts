import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import { FleetCertificates } from '../../../test/fleet-certificates.ts';
import { keyExchangeOf } from './key-exchange.ts';
import { secureOptionsOf } from './tls.ts';

let server: Server;
let options: { key: string; cert: string; ca: string };
before(async () => {
  const certificates = await FleetCertificates.make();
  const gate = await certificates.leaf({ subject: 'gate-1', kind: 'gate', purpose: 'server' });
  const credential = { key: gate.key, certificate: gate.cert, trust: certificates.trust };
  server = createServer({ ...secureOptionsOf(credential), requestCert: true, rejectUnauthorized: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { key, cert } = await certificates.leaf({ subject: 'truck-1' });
  options = { key, cert, ca: certificates.rootPem };
});
after(() => server.close());

for (const [groups, exchange] of [
  [undefined, 'post-quantum'],
  ['X25519MLKEM768', 'post-quantum'],
  ['X25519', 'classical'],
  ['P-256', 'classical'],
  ['P-384', 'classical'],
] as const) {
  test(`a client of ${groups ?? 'what Node offers by itself'} agreed on its keys in a ${exchange} way`, async () => {
    const { port } = server.address() as AddressInfo;
    const opened = once(server, 'secureConnection');
    const client = connect({ ...options, port, servername: 'localhost', ...(groups && { ecdhCurve: groups }) });
    client.on('error', () => undefined);
    const [socket] = (await opened) as [TLSSocket];
    assert.equal(keyExchangeOf(socket.getSession()), exchange);
    socket.destroy();
    client.destroy();
  });
}

test('what is none of its sessions says nothing', () => {
  for (const session of [undefined, Buffer.alloc(0), Buffer.alloc(80, 0xb3)])
    assert.equal(keyExchangeOf(session), 'unknown');
});
