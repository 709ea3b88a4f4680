import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Host } from './host.ts';

const good = [
  ...[
    'localhost',
    'gate-1',
    'gate.example',
    'Gate.Example',
    'my_host',
    '_a.example',
    'xn--mnchen-3ya.example',
    '3com.com',
  ],
  ...['127.0.0.1', '0.0.0.0', '::', '::1', '2001:db8::1', '::ffff:192.0.2.1', `${'a'.repeat(63)}.example`],
];
for (const host of good) {
  test(`"${host}" is a host`, () => assert.equal(Host.parse(host), host));
}

const bad = [
  ...['', '*', '*.example', 'https://gate.example', 'gate.example:8443', '[::1]', '::1%eth0', 'gate.example/x', 'a b'],
  ...[
    'münchen.example',
    'gate..example',
    '.example',
    'gate.example.',
    '-a.example',
    'a-.example',
    `${'a'.repeat(64)}.example`,
  ],
  ...['127.0.0.256', '1.2.3', '127.1', 'gate.42', '2001:db8::1::2', 'gate.example\n', 'user@gate.example', 'a,b', '\0'],
];
for (const host of bad) {
  test(`${JSON.stringify(host)} is no host`, () => assert.equal(Host.safeParse(host).success, false));
}
