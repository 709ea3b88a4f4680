import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { KeyAlgorithm } from '@portcullis/contract';
import { FleetCertificates } from '../../test/fleet-certificates.ts';
import { sessionField } from './tls-session.ts';

async function sessionOf(algorithm?: KeyAlgorithm) {
  const certificates = await FleetCertificates.make();
  const { key, cert } = await certificates.leaf({ subject: 'gate-1', kind: 'gate', purpose: 'server' });
  const server = createServer({ key, cert, ca: certificates.trust, requestCert: true, rejectUnauthorized: false });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const leaf = algorithm && (await certificates.leaf({ subject: 'truck-1', algorithm }));
  const { port } = server.address() as AddressInfo;
  const own = leaf && { key: leaf.key, cert: leaf.cert };
  const client = connect({ host: '127.0.0.1', port, servername: 'localhost', ca: certificates.rootPem, ...own });
  client.on('error', () => undefined);
  const [socket] = (await once(server, 'secureConnection')) as [TLSSocket];
  const session = socket.getSession() as Buffer;
  for (const one of [client, socket]) one.destroy();
  server.close();
  return { session, leaf };
}

test('the leaf that was presented stands in the session, whatever its key', async () => {
  for (const algorithm of KeyAlgorithm.options) {
    const { session, leaf } = await sessionOf(algorithm);
    const found = sessionField(session, 'peer');
    assert.deepEqual(found, new X509Certificate(leaf?.cert ?? '').raw, algorithm);
  }
});

test('where none was presented, none stands there', async () => {
  const { session } = await sessionOf();
  assert.equal(sessionField(session, 'peer'), undefined);
  assert.equal(sessionField(session, 'group')?.[0], 0x02);
});

test('a session that is cut off, and what is none, says nothing and throws nothing', async () => {
  const { session } = await sessionOf('p-256');
  for (let bytes = 0; bytes < session.length; bytes++)
    assert.equal(sessionField(session.subarray(0, bytes), 'group'), undefined);
  for (const text of ['', '30', '3000', '3080', '3084ffffffff', '3003a30500', '3003a38000', '0403a30100', 'a30100'])
    assert.equal(sessionField(Buffer.from(text, 'hex'), 'peer'), undefined, text);
  assert.equal(sessionField(undefined, 'peer'), undefined);
});
