import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextRootWords } from './rollover.ts';

test('the key of the next root is named, in whatever order root and issuers were made', () => {
  const issuers = ['fleet-1 device-2 issuer', 'fleet-1 infrastructure-2 issuer'];
  for (const comes of [
    ['fleet-1 root-2', ...issuers],
    [...issuers, 'fleet-1 root-2'],
  ]) {
    assert.match(nextRootWords({ comes }), /the key of the next root is "root-2", authority\/keys\/root-2\.pem /);
  }
});
