import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect, createServer, TLSSocket } from 'node:tls';
import { FleetCertificates, type Leaf } from '../../test/fleet-certificates.ts';
import { freePeerChains } from './peer-chains.ts';

/** How often the call was made that frees nothing. */
let calls = 0;
const { _handle } = new TLSSocket(new Socket()) as TLSSocket & { _handle: object };
const handle = Object.getPrototypeOf(_handle) as { getPeerX509Certificate(): unknown };
const counted = handle.getPeerX509Certificate;
handle.getPeerX509Certificate = function counting(this: typeof handle) {
  calls++;
  return counted.call(this);
};

async function handshake(context: TestContext, leaf: Leaf | undefined, certificates: FleetCertificates) {
  calls = 0;
  const { key, cert } = await certificates.leaf({ subject: 'gate-1', kind: 'gate', purpose: 'server' });
  const options = { key, cert, ca: certificates.trust, requestCert: true, rejectUnauthorized: false } as const;
  const server = createServer(options).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const own = leaf && { key: leaf.key, cert: leaf.cert };
  const client = connect({ host: '127.0.0.1', port, servername: 'localhost', ca: certificates.rootPem, ...own });
  client.on('error', () => undefined);
  const [socket] = (await once(server, 'secureConnection')) as [TLSSocket];
  socket.on('error', () => undefined);
  context.after(() => [client, socket].map((one) => one.destroy()) && server.close());
  return socket;
}

test('a handshake makes no call that keeps what a client sends beside its certificate; who asks for that is told as ever', async (context) => {
  const certificates = await FleetCertificates.make();
  const leaf = await certificates.leaf({ subject: 'truck-1' });
  await handshake(context, leaf, certificates);
  assert.equal(calls, 1, 'Node makes it by itself; where this fails, there is nothing to mend any more');

  for (let time = 0; time < 2; time++) freePeerChains();
  const socket = await handshake(context, leaf, certificates);
  assert.deepEqual([socket.authorized, calls], [true, 0]);
  const shown = socket.getPeerX509Certificate();
  assert.equal(shown?.fingerprint256.replaceAll(':', '').toLowerCase(), leaf.fingerprint);
  assert.match(shown?.issuerCertificate?.subject ?? '', /issuer/);
  assert.equal(calls, 1);
});

test('who shows no certificate, or one of another fleet, is as unauthorized as ever', async (context) => {
  freePeerChains();
  const certificates = await FleetCertificates.make();
  const nobody = await handshake(context, undefined, certificates);
  assert.deepEqual([nobody.authorized, nobody.getPeerX509Certificate()], [false, undefined]);
  const stranger = await (await FleetCertificates.make('other-fleet')).leaf({ subject: 'truck-1' });
  assert.equal((await handshake(context, stranger, certificates)).authorized, false);
});
