/** What the documentation says of codes, routes, keys and commands is what the code has. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { referencePages } from '../tools/reference.ts';
import { textOf } from './tree.ts';

for (const [name, content] of Object.entries(await referencePages())) {
  test(`docs/reference/${name} is up to date (npm run reference)`, () => {
    assert.equal(textOf(`docs/reference/${name}`), content);
  });
}
