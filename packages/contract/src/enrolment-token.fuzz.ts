/** What meets a text that somebody pastes, or a file that somebody edited, in the place of an enrolment token. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { EnrolmentToken, formatToken, parseToken } from './enrolment.ts';
import { PortcullisError } from './errors.ts';

const secret = 'gL2cXK5m0rT8uY4vW9bZ1dF7hJ3kP6qS_-aEiOxUyNw';
const token = EnrolmentToken.parse({
  ...{ url: 'https://localhost:8441/', subject: 'truck-17', secret, keys: 'p-256' },
  roots: [Buffer.alloc(400, 7).toString('base64')],
});
const text = formatToken(token);

function parsed(some: string): EnrolmentToken | undefined {
  try {
    return parseToken(some);
  } catch (error) {
    assert.ok(error instanceof PortcullisError && error.code === 'usage', String(error));
    assert.ok(!error.message.includes(secret) && error.cause === undefined, 'a token is a secret');
    return undefined;
  }
}

/** Characters that are other than they were, gone, or there twice. */
const nearly = fc
  .array(fc.tuple(fc.nat(text.length - 1), fc.constantFrom('', 'A', '-', '=', '\n', 'AA', '\0')), {
    minLength: 1,
    maxLength: 4,
  })
  .map((changes) => changes.reduce((all, [at, by]) => all.slice(0, at) + by + all.slice(at + 1), text));

/** JSON that is nearly one, and wrapped as a token is. */
const members = fc
  .record(
    {
      url: fc.oneof(fc.constant(token.url), fc.webUrl(), fc.string()),
      subject: fc.oneof(fc.constant('truck-17'), fc.string()),
      secret: fc.oneof(fc.constant(secret), fc.string()),
      roots: fc.oneof(fc.constant(token.roots), fc.array(fc.base64String(), { maxLength: 6 })),
      keys: fc.oneof(fc.constant('p-256'), fc.string(), fc.jsonValue()),
    },
    { requiredKeys: [] },
  )
  .map((value) => Buffer.from(JSON.stringify(value)).toString('base64url'));

export const tokenProperties = {
  'any text is a token or is refused by one code, which repeats nothing of it': fc.property(
    fc.oneof(
      fc.string(),
      fc.base64String(),
      nearly,
      members,
      fc.json().map((one) => Buffer.from(one).toString('base64url')),
    ),
    (some) => {
      const found = parsed(some);
      if (!found) return;
      assert.equal(new URL(found.url).protocol, 'https:', 'nothing is sent in the clear');
      assert.match(found.subject, /^[a-z0-9][a-z0-9._-]{0,62}$/);
      assert.ok(found.roots.length >= 1 && found.roots.length <= 4);
    },
  ),
  'what is printed is read as it was, with white space around it': fc.property(
    fc.constantFrom('', ' ', '\n', '\r\n', '\t'),
    fc.constantFrom('', ' ', '\n', '\r\n', '\t'),
    (before, after) => assert.deepEqual(parseToken(before + text + after), token),
  ),
  'a text without bound is refused as any other': fc.property(fc.integer({ min: 65_537, max: 200_000 }), (length) =>
    assert.equal(parsed('A'.repeat(length)), undefined),
  ),
};
