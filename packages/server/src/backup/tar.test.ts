import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PortcullisError } from '@portcullis/contract';
import { headerOf, memberOf, paddingOf } from './tar.ts';

test('a header says what it was made of, also of more than 8 GiB', () => {
  for (const member of [
    { name: 'authority/store.db', bytes: 0 },
    { name: 'n'.repeat(100), bytes: 8 ** 11 - 1 },
    { name: 'schema.json', bytes: 8 ** 11 },
    { name: 'schema.json', bytes: Number.MAX_SAFE_INTEGER },
  ])
    assert.deepEqual(memberOf(headerOf(member)), member);
  assert.equal(memberOf(Buffer.alloc(512)), undefined);
  assert.throws(() => headerOf({ name: 'n'.repeat(101), bytes: 1 }), PortcullisError);
});

test('a header with any other byte in it is none', () => {
  const header = headerOf({ name: 'authority/store.db', bytes: 4_096 });
  for (let at = 0; at < header.length; at++) {
    const other = Buffer.from(header);
    other[at] = (other[at] as number) ^ 0x21;
    const found = memberOf(other);
    assert.ok(found === 'damaged', `byte ${at}`);
  }
});

test('members fill whole blocks', () => {
  assert.deepEqual(
    [0, 1, 511, 512, 513].map((bytes) => paddingOf(bytes).length),
    [0, 511, 1, 0, 511],
  );
});
