import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestIdOf } from './request-id.ts';

const id = '8e03978e-40d5-43dd-bc93-6894a57f9324';
const asked = (key: string | undefined, more: object = {}) =>
  ({
    method: 'POST',
    url: '/v1/attributes?wait=all',
    body: { a: 1 },
    headers: { 'idempotency-key': key },
    ...more,
  }) as never;
const of = (key: string | undefined, more?: object) => requestIdOf({ once: true }, asked(key, more));

test('an Idempotency-Key is taken bare and quoted, and says the same', () => {
  assert.equal(of(id)?.id, id);
  assert.deepEqual(of(`"${id}"`), of(id));
  assert.equal(of(undefined), undefined);
});

test('what is asked for is the path and the body, and not how long the receipt is waited for', () => {
  assert.deepEqual(of(id, { url: '/v1/attributes' }), of(id));
  for (const other of [{ url: '/v1/standings' }, { body: { a: 2 } }])
    assert.notEqual(of(id, other)?.hash, of(id)?.hash);
});

test('a key that is none is refused, and so is any where the route would not keep it', () => {
  for (const key of ['', 'short', 'x'.repeat(65), 'with a space', '"12345678', 'ümlaut-ümlaut', `${id}, ${id}`])
    assert.throws(() => of(key), { code: 'request_malformed', message: /8 to 64/ }, key);
  assert.throws(() => requestIdOf({}, asked(id)), { code: 'request_malformed', message: /takes no Idempotency-Key/ });
});
