import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PortcullisError } from '@portcullis/contract';
import { type Asked, inTypedWords } from './wrong-words.ts';

const subjects = ['truck-17', 'A B'];
const told: [string, Asked, string][] = [
  [
    'body.set.9lives: must match [a-z]',
    { path: '/v1/attributes', body: { subjects } },
    'attribute "9lives": must match [a-z]',
  ],
  ['body.set.a.b: Too big', { path: '/v1/attributes', body: {} }, 'attribute "a.b": too big'],
  ['body.unset.0: must match', { path: '/v1/attributes', body: { unset: ['9'] } }, 'attribute "9": must match'],
  ['body.subjects.1: must match', { path: '/v1/attributes', body: { subjects } }, 'subject "A B": must match'],
  [
    'body.tokens.0.subject: must match',
    { path: '/v1/tokens', body: { tokens: [{ subject: 'X Y' }] } },
    'subject "X Y": must match',
  ],
  ['body.tokens.0.attributes.ob: Invalid input', { path: '/v1/tokens', body: {} }, 'attribute "ob": invalid input'],
  ['body.reason: Too big', { path: '/v1/attributes', body: { reason: 'long' } }, 'reason "long": too big'],
  ['params.subject: must match', { path: '/v1/subjects/A%20B/history?limit=1' }, 'subject "A B": must match'],
  [
    'querystring.kind: "lorry" is unknown; must be one of [device, gate]',
    { path: '/v1/subjects?kind=lorry' },
    'kind "lorry" is unknown; must be one of [device, gate]',
  ],
  ['body.reason: Too big', { path: '/', body: { reason: 'a\u009bb' } }, 'reason "a\\u009bb": too big'],
  ['querystring.name: must match', { path: '/v1/attribute-types?name=9' }, 'attribute "9": must match'],
  ['body: Invalid input', { path: '/v1/attributes', body: {} }, 'what was said: invalid input'],
  [
    'querystring.: Unrecognized key: "endsBefore"',
    { path: '/v1/certificates?endsBefore=x' },
    'the server does not know "endsBefore"; is it of an earlier version than this command?',
  ],
  [
    'body.tokens.0: Unrecognized keys: "readOnly", "x"',
    { path: '/v1/tokens', body: {} },
    'the server does not know "readOnly", "x"; is it of an earlier version than this command?',
  ],
  ['line 3 is too long', { path: '/v1/attributes' }, 'line 3 is too long'],
];
for (const [message, asked, words] of told) {
  test(`"${message}" is told as: ${words}`, () => {
    const failure = inTypedWords(new PortcullisError('request_malformed', message), asked) as PortcullisError;
    assert.deepEqual([failure.code, failure.message], ['usage', words]);
  });
}

test('every other failure stays what it is', () => {
  const other = new PortcullisError('subject_unknown', 'body.set.x: no');
  assert.equal(inTypedWords(other, { path: '/' }), other);
});
