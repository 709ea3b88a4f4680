import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import * as contract from './contract.ts';

/** What somebody asks of a server, and what is part of that; all other shapes are answered, told or written to a file. */
const asked =
  /(Request|Query|Report|Release|^ReservedMembers|^Edge|^Gap|^Newest|^ImportRow|^SignedArrival|^SignedLook|^RolloverStep|^RolloverAnswer)$/;

const shapes = Object.entries(contract as Record<string, unknown>).filter(
  (entry): entry is [string, z.core.$ZodType] => entry[1] instanceof z.core.$ZodType,
);

/** Whether each object in a shape refuses members that it does not know. */
function* strictness(shape: z.core.$ZodType): Generator<boolean> {
  const { def } = shape._zod as z.core.$ZodTypes['_zod'];
  if (def.type === 'object') {
    yield def.catchall?._zod.def.type === 'never';
    for (const member of Object.values(def.shape)) yield* strictness(member);
  }
  if (def.type === 'union') for (const option of def.options) yield* strictness(option);
  if (def.type === 'array') yield* strictness(def.element);
  if (def.type === 'record') yield* strictness(def.valueType);
  if (def.type === 'optional' || def.type === 'nullable' || def.type === 'default') yield* strictness(def.innerType);
}

for (const [name, shape] of shapes.filter(([, shape]) => [...strictness(shape)].length > 0)) {
  const isAsked = asked.test(name);
  const rule = isAsked ? 'refuses' : 'ignores';
  test(`${name} is ${isAsked ? 'asked' : 'answered or kept'}: each object in it ${rule} members of a later version`, () => {
    for (const strict of strictness(shape)) assert.equal(strict, isAsked);
  });
}

test('the walk sees what it should: objects within objects, lists, unions and records', () => {
  assert.deepEqual([...strictness(contract.LeaseRequest)], [true, true, true, true, true]);
  assert.deepEqual([...strictness(contract.LeaseAnswer)], [false, false]);
  assert.ok([...strictness(contract.FeedMessage)].length > 8);
  assert.ok(shapes.length > 40);
});

test('a page of a list is an answer', () => {
  const given = { items: [{ nonce: 'n'.repeat(16), more: 1 }], next: null, more: 1 };
  assert.deepEqual(contract.page(contract.RenewalNonce).parse(given), {
    items: [{ nonce: 'n'.repeat(16) }],
    next: null,
  });
});

test('an address that is named twice is asked once, and first the one that it came by', () => {
  const [one, other] = ['https://a.example.org:8440', 'https://b.example.org:8440'];
  const addresses = { authority: [other, one], enrolment: [other, one] };
  assert.deepEqual(contract.authoritiesOf({ authority: one, addresses }), [one, other]);
  assert.deepEqual(contract.enrolmentsOf({ enrolment: one, addresses }), [one, other]);
  assert.deepEqual(contract.authoritiesOf({ authority: one }), [one]);
});
