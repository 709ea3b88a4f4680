import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get } from 'node:http';
import type { LookupFunction } from 'node:net';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { answering, isLoopback, mayReach, reachable } from './outgoing.ts';

const strict = { allowPrivate: false };
const lax = { allowPrivate: true };

const rows: [address: string, everybody: boolean, withAllowPrivate: boolean][] = [
  ['93.184.215.14', true, true],
  ['100.63.255.255', true, true],
  ['2606:2800:21f:cb07:6820:80da:af6b:8b2c', true, true],
  ['::ffff:93.184.215.14', true, true],
  ['127.0.0.1', false, true],
  ['127.255.255.254', false, true],
  ['10.1.2.3', false, true],
  ['172.16.0.1', false, true],
  ['172.32.0.1', true, true],
  ['192.168.1.1', false, true],
  ['169.254.169.254', false, true],
  ['100.64.0.1', false, true],
  ['::1', false, true],
  ['fe80::1', false, true],
  ['fe80::1%lo', false, true],
  ['fd12:3456::1', false, true],
  ['::ffff:127.0.0.1', false, true],
  ['::ffff:a9fe:a9fe', false, true],
  ['0:0:0:0:0:ffff:10.0.0.1', false, true],
  ['0.0.0.0', false, false],
  ['::', false, false],
  ['192.0.2.1', false, false],
  ['198.18.0.1', false, false],
  ['224.0.0.1', false, false],
  ['255.255.255.255', false, false],
  ['240.0.0.1', false, false],
  ['ff02::1', false, false],
  ['64:ff9b::7f00:1', false, false],
  ['2002:7f00:1::', false, false],
  ['2001:0:7f00:1::', false, false],
  ['2001:db8::1', false, false],
  ['::127.0.0.1', false, false],
  ['localhost', false, false],
  ['', false, false],
];
for (const [address, everybody, nearby] of rows) {
  test(`"${address}" may be connected to: ${everybody}; with allowPrivate: ${nearby}`, () => {
    assert.deepEqual([mayReach(address, strict), mayReach(address, lax)], [everybody, nearby]);
  });
}

test('what this machine alone hears is known in every spelling', () => {
  const found = [
    '127.0.0.1',
    '127.9.9.9',
    '::1',
    '::ffff:127.0.0.1',
    '0:0:0:0:0:0:0:1',
    '10.0.0.1',
    '::2',
    '1127.0.0.1',
  ];
  assert.deepEqual(found.map(isLoopback), [true, true, true, true, true, false, false, false]);
});

type Resolve = Parameters<typeof reachable>[2];
const resolvesTo = (...addresses: string[]): Resolve =>
  ((_host: string, _options: object, taken: (error: null, found: object[]) => void) =>
    taken(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )) as never;

test('of a name the addresses are judged, not the name; those that are not allowed are left', async () => {
  const found = await reachable('hooks.example', strict, resolvesTo('10.0.0.1', '93.184.215.14', '::1'));
  assert.deepEqual(found, [{ address: '93.184.215.14', family: 4 }]);
  const message =
    /"hooks\.example" \(169\.254\.169\.254\) is not an address of the Internet; .* need "allowPrivate: true"/;
  const refused = { code: 'address_not_allowed', message };
  await assert.rejects(reachable('hooks.example', strict, resolvesTo('169.254.169.254')), refused);
  await assert.rejects(reachable('hooks.example', strict, resolvesTo()), { code: 'address_not_allowed' });
});

test('an address that is written as one is judged too, in the brackets of a URL as well', async () => {
  for (const host of [
    '127.0.0.1',
    '[::1]',
    '[::ffff:7f00:1]',
    new URL('http://0x7f.1').hostname,
    new URL('http://2130706433').hostname,
  ])
    await assert.rejects(reachable(host, strict), { code: 'address_not_allowed' }, host);
  assert.deepEqual(await reachable('[::1]', lax), [{ address: '::1', family: 6 }]);
});

test('a connection goes to what was checked, whatever the name has become since', async (context) => {
  const server = createServer((socket) => socket.end('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n'));
  context.after(() => server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as { port: number };
  const lookup: LookupFunction = answering(await reachable('hooks.invalid', lax, resolvesTo('127.0.0.1')));
  const asked = get({ host: 'hooks.invalid', port, lookup, agent: false });
  const [answer] = (await once(asked, 'response')) as [{ statusCode: number }];
  assert.equal(answer.statusCode, 204);
});
