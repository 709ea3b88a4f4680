import assert from 'node:assert/strict';
import { type AddressInfo, connect, createServer, Socket } from 'node:net';
import { after, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { makeTestFleet } from '../../test/certificates.ts';
import { acknowledged, startServer } from '../../test/servers.ts';
import { dial, type Network } from './dial.ts';
import { Link } from './link.ts';

const server = createServer((socket) => socket.on('error', () => undefined));
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
after(() => server.close());
const { port } = server.address() as AddressInfo;

type Fate = 'silent' | 'refuses' | { afterMs: number };

/** A network in which each address has its fate, with real sockets; it notes who was tried. */
function networkOf(fates: Record<string, Fate>, realPort = port) {
  const tried: string[] = [];
  const sockets: Socket[] = [];
  const network: Network = {
    lookup: async () => Object.keys(fates).map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    connect: (address) => {
      tried.push(address);
      const fate = fates[address] ?? 'silent';
      const socket = new Socket();
      sockets.push(socket);
      if (fate === 'refuses') setImmediate(() => socket.destroy(new Error(`refused ${address}`)));
      if (typeof fate === 'object') {
        void pause(fate.afterMs).then(() => socket.destroyed || socket.connect(realPort, '127.0.0.1'));
      }
      return socket;
    },
  };
  after(() => {
    for (const socket of sockets) socket.destroy();
  });
  return { network, tried, sockets };
}

const never = () => new AbortController().signal;

test('IPv6 without a route that says so and IPv4 with a round trip of 400 ms: it connects, and the silent attempt ends', async () => {
  const { network, tried, sockets } = networkOf({ '2001:db8::1': 'silent', '192.0.2.1': { afterMs: 400 } });
  const socket = await dial('gate.example', port, network, never());
  assert.equal(socket, sockets[1]);
  assert.deepEqual(tried, ['2001:db8::1', '192.0.2.1']);
  assert.equal(sockets[0]?.destroyed, true);
  socket.destroy();
});

test('an attempt goes on while the next one is made: of two slow addresses the first wins', async () => {
  const { network, sockets } = networkOf({ '2001:db8::1': { afterMs: 600 }, '192.0.2.1': { afterMs: 5_000 } });
  assert.equal(await dial('gate.example', port, network, never()), sockets[0]);
  sockets[0]?.destroy();
});

test('an address that refuses gives its turn away at once', async () => {
  const { network, tried } = networkOf({
    '2001:db8::1': 'refuses',
    '2001:db8::2': 'refuses',
    '192.0.2.1': { afterMs: 0 },
  });
  (await dial('gate.example', port, network, never())).destroy();
  assert.deepEqual(tried, ['2001:db8::1', '192.0.2.1']);
});

test('families take turns, and only so many addresses are tried', async () => {
  const many = Array.from({ length: 20 }, (_, index) => [`2001:db8::${index}`, 'refuses'] as const);
  const { network, tried } = networkOf({ ...Object.fromEntries(many), '192.0.2.1': 'refuses', '192.0.2.2': 'refuses' });
  await assert.rejects(dial('gate.example', port, network, never()), { message: 'refused 2001:db8::0' });
  assert.deepEqual(tried.slice(0, 5), ['2001:db8::0', '192.0.2.1', '2001:db8::1', '192.0.2.2', '2001:db8::2']);
  assert.equal(tried.length, 8);
});

test('who gives up ends every attempt, also while the name is looked up', async () => {
  const { network, sockets } = networkOf({ '2001:db8::1': 'silent' });
  const bound = new AbortController();
  const dialled = dial('gate.example', port, network, bound.signal);
  await pause(0);
  bound.abort(new Error('enough'));
  await assert.rejects(dialled, { message: 'enough' });
  assert.ok(sockets.every((socket) => socket.destroyed));
  const asleep: Network = { ...network, lookup: () => new Promise(() => undefined) };
  await assert.rejects(dial('gate.example', port, asleep, AbortSignal.abort(new Error('enough'))), {
    message: 'enough',
  });
});

test('a name without an address, and one that is not found, are unreachable', async () => {
  const { root } = makeTestFleet();
  for (const [lookup, why] of [
    [async () => [], /no address/],
    [() => Promise.reject(Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' })), /ENOTFOUND/],
  ] as const) {
    const link = new Link({ roots: root.certificate, role: 'gate' }, { lookup, connect: (to, at) => connect(at, to) });
    await assert.rejects(link.request({ url: 'https://gate.example/' }), { code: 'server_unreachable', message: why });
    link.close();
  }
});

test('P2: the server is verified by its name, whichever address took the connection', async () => {
  const fleet = makeTestFleet();
  const gate = await startServer(
    { key: fleet.gate.key, cert: fleet.gate.certificate + fleet.infrastructureIssuer.certificate },
    acknowledged,
  );
  const { network } = networkOf({ '2001:db8::1': 'silent', '192.0.2.1': { afterMs: 400 } }, gate.port);
  const link = new Link({ roots: fleet.root.certificate, role: 'gate' }, network);
  const post = (host: string) => link.request({ url: `https://${host}:${gate.port}/`, method: 'POST', body: '{}' });
  assert.equal((await post('localhost')).status, 202);
  await assert.rejects(post('gate.example'), { code: 'server_not_verified' });
  link.close();
});
