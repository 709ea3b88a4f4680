import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { FleetCertificates } from '../../test/fleet-certificates.ts';
import { realSystem } from '../telemetry/telemetry.ts';
import { gatesRoutes } from './gates.ts';
import type { Rooms } from './route.ts';
import { makeServer, tlsOptions } from './server.ts';

test('P13: a gate that does not read its feed for as long as a lease loses it, and what is read for it from the store is let go', async (context) => {
  const certificates = await FleetCertificates.make();
  const { key, cert } = await certificates.leaf({ subject: 'authority', kind: 'authority', purpose: 'server' });
  const gate = await certificates.leaf({ subject: 'gate-1', kind: 'gate' });
  const row = { subject: 'gate-1', kind: 'gate', purpose: 'client', standing: 'valid', fingerprint: gate.fingerprint };
  const reading = Promise.withResolvers<unknown>();
  let lines = 0;
  const rooms = {
    revocation: { find: async () => ({ ...row, notBefore: 0, notAfter: realSystem.now() + 1e9, readOnly: 0 }) },
    attributes: { gateReads: { require: async () => undefined, onChange: () => () => undefined } },
    journal: { onChange: () => () => undefined },
    feed: {
      leaseMs: 500,
      async follow(_query: unknown, _who: unknown, write: (line: string) => Promise<void>, signal: AbortSignal) {
        try {
          for (; !signal.aborted; lines++) await write(`${'x'.repeat(1_000_000)}\n`);
          reading.resolve('the connection ended');
        } catch (error) {
          reading.resolve(error);
          throw error;
        }
      },
    },
    system: realSystem,
    log: { error() {}, warn() {} },
  } as unknown as Rooms;
  const feed = gatesRoutes.filter(({ path }) => path === '/v1/feed');
  const server = await makeServer(rooms, feed, tlsOptions({ key, certificate: cert }, certificates.trust));
  await server.listen({ host: '127.0.0.1', port: 0 });
  context.after(() => server.close());
  const { port } = server.server.address() as AddressInfo;
  const path = `/v1/feed?instance=${'a'.repeat(32)}&attributes=status&clock=${Date.now()}`;
  const asked = request({ host: '127.0.0.1', port, path, ca: certificates.rootPem, key: gate.key, cert: gate.cert });
  asked.on('error', () => undefined).end();
  const [answer] = (await once(asked, 'response')) as [NodeJS.ReadableStream & { statusCode: number }];
  assert.equal(answer.statusCode, 200);
  assert.match(String(await reading.promise), /the peer has not read its feed for 500 ms/);
  assert.ok(lines < 100, `${lines} lines`);
  asked.destroy();
});
