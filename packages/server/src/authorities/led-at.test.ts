import assert from 'node:assert/strict';
import { test } from 'node:test';
import { holderWords, ledAt, ownAddresses } from './led-at.ts';

const both = {
  hosts: ['a.example.org', 'b.example.org'],
  authorityUrl: ['https://a.example.org:8440', 'https://b.example.org:8440'],
  enrolmentUrl: ['https://a.example.org:8448', 'https://b.example.org:8448'],
};
const listen = (host: string, apiPort = 8440) => ({ ...both, listen: { host, apiPort } });
const second = { api: 'https://b.example.org:8440', enrolment: 'https://b.example.org:8448' };

test("an authority knows its own addresses by their port, by what it binds, or by its machine's name, and else none", () => {
  assert.deepEqual(ownAddresses(listen('0.0.0.0'), 'b'), second);
  assert.deepEqual(ownAddresses(listen('0.0.0.0'), 'b.example.org'), second);
  assert.deepEqual(ownAddresses(listen('b.example.org'), 'elsewhere'), second);
  assert.equal(ownAddresses(listen('0.0.0.0'), 'elsewhere'), undefined);
  assert.equal(ownAddresses(listen('b.example.org', 9), 'b'), undefined);
  const ports = { hosts: ['localhost'], listen: { host: '127.0.0.1', apiPort: 2 } };
  const urls = { authorityUrl: ['https://localhost:1', 'https://localhost:2'] };
  const enrolmentUrl = ['https://localhost:3', 'https://localhost:4'];
  assert.deepEqual(ownAddresses({ ...ports, ...urls, enrolmentUrl }), {
    api: 'https://localhost:2',
    enrolment: 'https://localhost:4',
  });
});

test('the row of who leads tells people and processes where that is; what is no address there is taken for none', () => {
  assert.deepEqual(ledAt(holderWords('b, process 7', second)), second);
  for (const words of [
    holderWords('b, process 7', undefined),
    'b, at http://b.example.org and https://b.example.org',
    'b, at https://b.example.org/path and https://b.example.org',
    'b, at https://user@b.example.org and https://b.example.org',
    'b, at 7 and 8',
  ])
    assert.equal(ledAt(words), undefined, words);
});
