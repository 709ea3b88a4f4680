import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FiguresAddress } from './figures-address.ts';

const taken: [string, object][] = [
  ['127.0.0.1:9464', { host: '127.0.0.1', port: 9464 }],
  ['127.0.0.2:1', { host: '127.0.0.2', port: 1 }],
  ['[::1]:9464', { host: '::1', port: 9464 }],
  ['localhost:9464', { host: '127.0.0.1', port: 9464 }],
  ['unix:/run/portcullis/gate.sock', { path: '/run/portcullis/gate.sock' }],
];
for (const [text, address] of taken) {
  test(`${text} is an address of this machine`, () => assert.deepEqual(FiguresAddress.parse(text), address));
}

const refused = ['0.0.0.0:9464', '192.0.2.1:9464', ':9464', '9464', '127.0.0.1', '127.0.0.1:65536', '[::]:9464'];
for (const text of [
  ...refused,
  'gate.example:9464',
  'unix:gate.sock',
  `unix:/${'a'.repeat(110)}`,
  '127.evil.example:1',
  '127.0.0.256:9464',
  '',
]) {
  test(`"${text.slice(0, 30)}" is refused: another machine could reach it, or nobody`, () => {
    assert.match(FiguresAddress.safeParse(text).error?.issues[0]?.message ?? '', /must be an address of this machine/);
  });
}
