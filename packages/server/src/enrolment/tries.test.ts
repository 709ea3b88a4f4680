import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PortcullisError } from '@portcullis/contract';
import { Tries } from './tries.ts';

const refused = new PortcullisError('token_refused', 'no');
const codeOf = (error: unknown) => (error as PortcullisError).code;

test('of an address, or of a network of IPv6, so many failures are told as they are, then that they are too many', () => {
  let now = 0;
  const tries = new Tries(() => now);
  for (const addresses of [
    ['192.0.2.1', '::ffff:192.0.2.1'],
    ['2001:db8::1', '2001:db8::9:1'],
  ]) {
    const told = Array.from({ length: 21 }, (_, index) => codeOf(tries.failed(addresses[index % 2] ?? '', refused)));
    assert.deepEqual(told, [...Array.from({ length: 20 }, () => 'token_refused'), 'rate_limited']);
  }
  assert.equal(codeOf(tries.failed('192.0.2.2', refused)), 'token_refused');
  now += 500;
  assert.equal(codeOf(tries.failed('192.0.2.1', refused)), 'token_refused');
});

test('what is no fault of the caller is told as it is, and counts for nothing', () => {
  const tries = new Tries(() => 0);
  const full = new PortcullisError('disk_full', 'full');
  for (let count = 0; count < 50; count++) assert.equal(tries.failed('192.0.2.1', full), full);
  assert.equal(tries.failed('192.0.2.1', refused), refused);
});
