import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SubjectId } from './identity.ts';

const adviceOn = (text: string) => SubjectId.safeParse(text).error?.issues[0]?.message;

const written: [string, string][] = [
  ['AA:BB:CC:00:11:22', 'aa-bb-cc-00-11-22'],
  ['SN 4711/B', 'sn-4711-b'],
  ['_truck', 'truck'],
  ['Straße 7', 'stra-e-7'],
  [`X${'9'.repeat(80)}`, `x${'9'.repeat(62)}`],
];

for (const [text, id] of written) {
  test(`"${text.slice(0, 20)}" is no subject id, and the error says how it is written as one`, () => {
    assert.match(
      adviceOn(text) ?? '',
      new RegExp(`; write "${id}", and keep the original with "token create --label"$`),
    );
    assert.equal(SubjectId.parse(id), id);
  });
}

test('where nothing is left to write, the rule alone is said', () => {
  for (const text of ['', '::', '---']) assert.equal(adviceOn(text), 'must match [a-z0-9][a-z0-9._-]{0,62}');
});
