import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inForce, strictest } from './strictest.ts';

const order = ['active', 'degraded', 'quarantined'];
const laid = (id: string, value: string, since: number) => ({ id, value, since });

test('of several holds the strictest by the declared order counts, and of equal ones the oldest', () => {
  assert.equal(strictest([laid('a', 'degraded', 1), laid('b', 'quarantined', 2)], order)?.id, 'b');
  assert.equal(strictest([laid('a', 'degraded', 2), laid('b', 'degraded', 1)], order)?.id, 'b');
  assert.equal(strictest([laid('b', 'degraded', 1), laid('a', 'degraded', 1)], order)?.id, 'a');
  assert.equal(strictest([], order), undefined);
});

test('without an order the oldest counts, and a value that the order does not name is stricter than all of it', () => {
  assert.equal(strictest([laid('a', 'quarantined', 2), laid('b', 'degraded', 1)], undefined)?.id, 'b');
  assert.equal(strictest([laid('a', 'quarantined', 1), laid('b', 'seized', 2)], order)?.id, 'b');
});

test('a hold is never less strict than the value underneath, where an order says which is', () => {
  assert.equal(inForce('degraded', 'quarantined', order), 'quarantined');
  assert.equal(inForce('degraded', 'active', order), 'degraded');
  assert.equal(inForce('degraded', null, order), 'degraded');
  assert.equal(inForce('degraded', 'quarantined', undefined), 'degraded');
});
