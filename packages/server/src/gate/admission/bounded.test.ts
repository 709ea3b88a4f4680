import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FedReplica, fingerprintNamed } from '../../../test/fed-replica.ts';
import { Bearer } from '../connections/bearer.ts';
import { toldOf } from '../listeners/told.ts';
import { bounded, toldMax } from './bounded.ts';
import { describe } from './explain.ts';

const long = 60_000;
const values: [string, unknown][] = [
  ['a long text', 'x'.repeat(long)],
  ['one of control characters', '\u0001'.repeat(long)],
  ['one of quotes', '"'.repeat(long)],
  ['one of surrogate pairs', `a${'😀'.repeat(long)}`],
  ['a long list', Array(long).fill(1)],
  ['an object with a long name', { ['k'.repeat(long)]: 1 }],
];
for (const [what, value] of values) {
  test(`P13: ${what} is shortened`, () => {
    const short = bounded(value) as string;
    assert.ok(JSON.stringify(short).length <= toldMax);
    assert.ok(JSON.stringify(short).length > toldMax - 8);
    assert.ok(short.endsWith('…') && short.isWellFormed());
  });
}

test('what is short stays itself', () => {
  for (const value of ['a', 7, null, false, { in: ['a', 'b'] }, 'x'.repeat(toldMax - 2)]) {
    assert.equal(bounded(value), value);
  }
  assert.equal(bounded(undefined), undefined);
});

test('P13: a refusal keeps and tells little, whatever the reading was', () => {
  const fed = new FedReplica();
  fed.change([{ subject: 'truck-17', certificates: [{ fingerprint: fingerprintNamed('leaf') }] }]);
  const bearer = new Bearer(Buffer.from(fingerprintNamed('leaf'), 'hex'));
  const text = 'x'.repeat(long);
  const refused = { reason: 'schema_not_met', expected: { enum: [text] }, found: text, detail: text } as const;
  const described = describe(refused, bearer, 'telemetry', fed.replica);
  assert.ok(JSON.stringify(described).length < 3 * toldMax + 400, `${JSON.stringify(described).length}`);
  assert.match(described.found as string, /^x+…$/);
  const ofAttribute = describe({ ...refused, attribute: 'site' }, bearer, 'telemetry', fed.replica);
  assert.match((ofAttribute.found as Record<string, string>).site ?? '', /^x+…$/);
  assert.ok(JSON.stringify(toldOf(refused, bearer, fed.replica)).length < toldMax + 400);
});
