/**
 * Every reason over every way in: the decision is one, so each of them notes the same reason; how it is told is the way's own (FIELD-NOTES A2).
 * What TLS itself refuses is in no way's hands, and a seal's own reasons are of what is carried: other files have these.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReasonCode } from '@portcullis/contract';
import { type Elsewhere, type Row, rows } from './reasons.ts';
import { EveryWay, type Way, ways } from './ways.ts';

/** `apart`: it can not come about there. */
function tells(way: Way, { http, mqtt5, mqtt4, ...row }: Row): unknown {
  const [status, told] = http;
  switch (way) {
    case 'http':
      return http;
    case 'mqtt5':
      return mqtt5;
    case 'mqtt4':
      return mqtt4 ?? 'apart';
    case 'sealed':
      return row.sealed ?? told;
    case 'coap':
      return row.coap ?? `${status} ${told}`;
    case 'decide':
      return row.decide ?? `403 ${told}`;
  }
}

for (const [reason, row] of Object.entries(rows) as [ReasonCode, Row | Elsewhere][]) {
  if (typeof row === 'string') continue;
  test(`P4: ${reason} is the same reason over [${ways.join(', ')}], each told as its way tells it`, async (context) => {
    const every = await EveryWay.open(row, context);
    for (const way of ways) {
      const expected = tells(way, row);
      if (expected === 'apart') continue;
      const before = every.noted(reason);
      assert.deepEqual(await every.over(way, reason), expected, way);
      // Advice is no verdict of the gate, and whoever has no context is nobody.
      const isNoted = way !== 'decide' && expected !== 'a stranger';
      assert.equal(every.noted(reason) > before, isNoted, `${way} notes it, or it is not the gate's to note`);
    }
  });
}
