import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endedToldMs, issuersToldMax } from '@portcullis/contract';
import { requireRoom } from './refusals.ts';

test('no issuer comes of which desks would not be told; those that ended make room', () => {
  const now = Date.UTC(2030, 0, 1);
  const all = Array.from({ length: issuersToldMax - 1 }, () => ({ notAfter: now + 1 }));
  requireRoom(all, 1, now);
  const message = /at most 4096 roots and issuers that have not ended, and this one has 4095;/;
  assert.throws(() => requireRoom(all, 2, now), { code: 'precondition_failed', message });
  requireRoom([...all, { notAfter: now - endedToldMs - 1 }], 1, now);
});
