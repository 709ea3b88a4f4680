import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Shares } from './shares.ts';

test('one address gets its share and no more; others get theirs, up to what all may have', () => {
  const shares = new Shares(4, 2);
  const first = shares.take('192.0.2.1');
  assert.ok(first && shares.take('192.0.2.1'));
  assert.equal(shares.take('192.0.2.1'), undefined);
  assert.ok(shares.take('2001:db8:0:1::1') && shares.take('2001:db8:0:1::2'), 'one site by IPv6');
  assert.equal(shares.take('2001:db8:0:1::3'), undefined);
  assert.equal(shares.take('192.0.2.9'), undefined, 'all are taken');
  first();
  assert.equal(shares.taken, 3);
  assert.ok(shares.take('192.0.2.9'));
});
