import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttributeValue, ReasonCode } from '@portcullis/contract';
import fc from 'fast-check';
import { type Delta, FedReplica, fingerprintNamed, groundOn } from '../../../test/fed-replica.ts';
import { Bearer } from '../connections/bearer.ts';
import type { Expectation } from '../policy/expectations.ts';
import type { StreamConfig } from '../policy/policy.ts';
import { tracedReading } from '../policy/traced-reading.ts';
import { isAdmissible, judge } from './admit.ts';
import { JudgedData } from './judged-data.ts';

const bearerOf = (name: string) => new Bearer(Buffer.from(fingerprintNamed(name), 'hex'));
const hour = 3_600_000;

interface Row {
  what: string;
  /** How far ahead of all clocks what the authority once said is. */
  floor?: number;
  delta?: Partial<Delta>;
  stream?: Partial<StreamConfig>;
  data?: Record<string, unknown>[];
  reason: ReasonCode | undefined;
}

const standing = (value: 'valid' | 'suspended' | 'revoked' | 'superseded') => ({
  certificates: [{ fingerprint: fingerprintNamed('leaf'), standing: value }],
});
const valid = (from: number, until: number) => ({
  certificates: [{ fingerprint: fingerprintNamed('leaf'), notBefore: Date.now() + from, notAfter: Date.now() + until }],
});
const status = (value: AttributeValue | null) => ({ attributes: { status: { value } } });
const expect = { status: 'active' };

/** A stream whose file expects this of truck-17, whose seal is 9f3c. */
const own = (of: Record<string, Expectation> | 'ambiguous' | undefined, common: Record<string, Expectation> = {}) => ({
  delta: { attributes: { seal: { value: '9f3c' } } },
  stream: {
    expect: common,
    expected: { attributes: ['seal'], of: (id: string) => (id === 'truck-17' ? of : undefined) },
  },
});

const inexact = tracedReading('{"t":4,"n":8944110068256270054,"list":[9,1e400]}');

const rows: Row[] = [
  { what: 'a valid certificate on a stream without expectations', reason: undefined },
  { what: 'a suspended one', delta: standing('suspended'), reason: 'certificate_suspended' },
  { what: 'a revoked one', delta: standing('revoked'), reason: 'certificate_revoked' },
  { what: 'a superseded one', delta: standing('superseded'), reason: 'certificate_superseded' },
  { what: 'one that has expired', delta: valid(-2 * hour, -hour), reason: 'certificate_expired' },
  { what: 'one that is not valid yet', delta: valid(hour, 2 * hour), reason: 'certificate_not_yet_valid' },
  {
    what: 'one that has ended by all clocks',
    floor: 2 * hour,
    delta: valid(-2 * hour, -hour),
    reason: 'certificate_expired',
  },
  { what: 'one that ended by an earlier word', floor: 2 * hour, delta: valid(-hour, hour), reason: 'clock_was_ahead' },
  { what: 'one that outlasts that word', floor: 2 * hour, delta: valid(-hour, 3 * hour), reason: undefined },
  { what: 'another kind', delta: { kind: 'gateway' }, reason: 'kind_not_admitted' },
  { what: 'a kind that is named', delta: { kind: 'gateway' }, stream: { kinds: ['gateway'] }, reason: undefined },
  { what: 'the expected value', delta: status('active'), stream: { expect }, reason: undefined },
  { what: 'another value', delta: status('off'), stream: { expect }, reason: 'attribute_not_expected' },
  { what: 'a value of another type', delta: status(true), stream: { expect }, reason: 'attribute_type_mismatch' },
  { what: 'no value', stream: { expect }, reason: 'attribute_missing' },
  { what: 'a value that was unset', delta: status(null), stream: { expect }, reason: 'attribute_missing' },
  {
    what: 'a condition on the subject that holds',
    delta: status('active'),
    stream: { when: 'attributes.status == "active" && subject.id == "truck-17" && subject.kind == "device"' },
    reason: undefined,
  },
  {
    what: 'one that does not',
    delta: status('off'),
    stream: { when: 'attributes.status == "active"' },
    reason: 'subject_condition_not_met',
  },
  {
    what: 'one that compares types that do not compare',
    delta: status(7),
    stream: { when: 'attributes.status.startsWith("a")' },
    reason: 'subject_condition_failed',
  },
  {
    what: 'one over an attribute that nobody set, even if it asks whether it is set',
    stream: { when: '!has(attributes.status)' },
    reason: 'attribute_missing',
  },
  { what: 'a reading within bounds', stream: { when: 'reading.t < 8.0' }, data: [{ t: 4 }], reason: undefined },
  { what: 'a reading out of them', stream: { when: 'reading.t < 8.0' }, data: [{ t: 9 }], reason: 'condition_not_met' },
  { what: 'a reading without the member', stream: { when: 'reading.t < 8.0' }, data: [{}], reason: 'condition_failed' },
  {
    what: 'a reading that its schema allows',
    stream: { schema: { properties: { t: { type: 'number', maximum: 8 } }, required: ['t'] } },
    data: [{ t: 4 }],
    reason: undefined,
  },
  {
    what: 'a reading that its schema forbids, among others',
    stream: { schema: { properties: { t: { type: 'number', maximum: 8 } }, required: ['t'] } },
    data: [{ t: 4 }, { t: 9 }],
    reason: 'schema_not_met',
  },
  {
    what: 'a reading that its schema allows and the condition does not',
    stream: { schema: true, when: 'reading.t < 8.0' },
    data: [{ t: 9 }],
    reason: 'condition_not_met',
  },
  {
    what: 'a number that no double holds, which nothing looks at',
    stream: { when: 'reading.t < 8.0', schema: { properties: { t: { type: 'number' } } } },
    data: [inexact],
    reason: undefined,
  },
  {
    what: 'one that the condition looks at',
    stream: { when: 'reading.n > 5.0' },
    data: [{ n: 6 }, inexact],
    reason: 'number_inexact',
  },
  {
    what: 'one that the condition looks at where it is not met',
    stream: { when: 'reading.list.exists(n, n < 5.0)' },
    data: [inexact],
    reason: 'number_inexact',
  },
  {
    what: 'one that the schema looks at',
    stream: { schema: { properties: { n: { maximum: 1e300 } } } },
    data: [inexact],
    reason: 'number_inexact',
  },
  {
    what: 'one in a list that the schema looks at',
    stream: { schema: { properties: { list: { items: { type: 'number' } } } } },
    data: [inexact],
    reason: 'number_inexact',
  },
  {
    what: 'one that the schema does not come to',
    stream: { schema: { required: ['u'], properties: { n: true } } },
    data: [inexact],
    reason: 'schema_not_met',
  },
  { what: 'a subject with its own expected value', ...own({ seal: '9f3c' }), reason: undefined },
  { what: 'a subject with another one', ...own({ seal: 'a000' }), reason: 'attribute_not_expected' },
  { what: 'a subject that the file does not name', ...own(undefined), reason: 'expectation_missing' },
  { what: 'a subject that the file names twice', ...own('ambiguous'), reason: 'expectation_ambiguous' },
  {
    what: 'a subject with its own expected value and a wrong common one',
    ...own({ seal: '9f3c' }, { seal: 'other' }),
    reason: 'attribute_not_expected',
  },
  { what: 'no boolean', stream: { when: 'reading.t' }, data: [{ t: 1 }], reason: 'condition_failed' },
];

for (const { what, delta = {}, stream = {}, data = [], floor = 0, reason } of rows) {
  test(`${what}: ${reason ?? 'admitted'}`, () => {
    const fed = new FedReplica();
    fed.change([{ subject: 'truck-17', ...standing('valid'), ...delta }]);
    const ground = groundOn(fed, { telemetry: stream });
    if (floor > 0) ground.validityTime = () => ground.presentTime() + floor;
    const arrival = { bearer: bearerOf('leaf'), stream: ground.policy.streams.get('telemetry'), data };
    assert.equal(judge(arrival, ground)?.reason, reason);
  });
}

test('P3: no certificate, one that this authority never issued, and a stream that there is not', () => {
  const fed = new FedReplica();
  fed.change([{ subject: 'truck-17', ...standing('valid') }]);
  const ground = groundOn(fed, { telemetry: {} });
  const stream = ground.policy.streams.get('telemetry');
  const reasonOf = (bearer: Bearer) => judge({ bearer, stream, data: [] }, ground)?.reason;
  assert.equal(reasonOf(new Bearer(undefined)), 'certificate_missing');
  assert.equal(reasonOf(bearerOf('foreign')), 'certificate_unknown');
  assert.equal(judge({ bearer: bearerOf('leaf'), stream: undefined, data: [] }, ground)?.reason, 'stream_unknown');
});

test('P5: without a lease nothing is decided, and of a certificate only what is so for ever is told', () => {
  const fed = new FedReplica();
  fed.change([{ subject: 'truck-17', ...standing('valid') }]);
  const ground = groundOn(fed, { telemetry: {} });
  const arrival = { bearer: bearerOf('leaf'), stream: ground.policy.streams.get('telemetry'), data: [] };
  assert.equal(judge(arrival, ground), undefined);
  fed.clock.now += 5_000;
  assert.equal(judge(arrival, ground)?.reason, 'replica_stale');
  const unknown = { ...arrival, bearer: bearerOf('another leaf') };
  assert.equal(judge(unknown, ground)?.reason, 'replica_stale', 'it may have been issued since');
  fed.change([{ subject: 'truck-17', ...standing('suspended') }]);
  assert.equal(judge(arrival, ground)?.reason, 'replica_stale', 'it may have been resumed since');
  fed.change([{ subject: 'truck-17', ...standing('revoked') }]);
  assert.equal(judge(arrival, ground)?.reason, 'certificate_revoked');
});

test('P4: a decision that is remembered ends with the next change of the subject, in both directions', () => {
  const fed = new FedReplica();
  fed.change([{ subject: 'truck-17', ...standing('valid'), ...status('active') }]);
  const ground = groundOn(fed, { telemetry: { expect } });
  const arrival = { bearer: bearerOf('leaf'), stream: ground.policy.streams.get('telemetry'), data: [] };
  for (const [value, reason] of [
    ['active', undefined],
    ['off', 'attribute_not_expected'],
    ['active', undefined],
    [null, 'attribute_missing'],
  ] as const) {
    fed.change([{ subject: 'truck-17', ...status(value) }]);
    assert.equal(judge(arrival, ground)?.reason, reason);
    assert.equal(judge(arrival, ground)?.reason, reason, 'and again, from memory');
  }
});

test('P4: what was remembered under one policy says nothing under another, nor after a snapshot', () => {
  const fed = new FedReplica();
  fed.change([{ subject: 'truck-17', ...standing('valid'), ...status('active') }]);
  const [before, after] = [
    groundOn(fed, { telemetry: { expect } }),
    groundOn(fed, { telemetry: { expect: { status: 'x' } } }),
  ];
  const bearer = bearerOf('leaf');
  assert.equal(judge({ bearer, stream: before.policy.streams.get('telemetry'), data: [] }, before), undefined);
  const stricter = { bearer, stream: after.policy.streams.get('telemetry'), data: [] };
  assert.equal(judge(stricter, after)?.reason, 'attribute_not_expected');
  const { revision, hash, fleet } = fed.replica;
  fed.replica.receive({ type: 'snapshot', fleet: fleet as never, revision, hash });
  fed.replica.receive({ type: 'complete', revision, hash });
  assert.equal(judge(stricter, after)?.reason, 'certificate_unknown');
});

test('rule 7: readings that wait are looked at again after a change of their subject, its policy or the snapshot, and no other', () => {
  const fed = new FedReplica();
  const truck = { subject: 'truck-17', ...standing('valid'), ...status('active') };
  fed.change([truck, { subject: 'truck-18' }]);
  const streams = { telemetry: { when: 'reading.t < 8.0 || attributes.status == "hot"' } };
  const ground = groundOn(fed, streams);
  const judged = new JudgedData();
  const bearer = bearerOf('leaf');
  let looks = 0;
  const data = [
    {
      get t() {
        looks++;
        return 9;
      },
    },
  ];
  const outcome = (on = ground, readings: Record<string, unknown>[] = data) => {
    looks = 0;
    const refused = judge({ bearer, stream: on.policy.streams.get('telemetry'), data: readings, judged }, on);
    return [refused?.reason, looks > 0];
  };
  fed.change([{ subject: 'truck-17', ...status('hot') }]);
  assert.deepEqual(outcome(ground, []), [undefined, false]);
  assert.deepEqual(outcome(), [undefined, true], 'no reading was looked at before there was one');
  assert.deepEqual(outcome(), [undefined, false]);
  fed.change([{ subject: 'truck-18', ...status('active') }]);
  assert.deepEqual(outcome(), [undefined, false], 'another subject');
  assert.deepEqual(outcome(groundOn(fed, streams)), [undefined, true], 'another policy');
  assert.deepEqual(outcome(), [undefined, true], 'and the one before');
  assert.deepEqual(outcome(ground, [{ t: 9 }]), [undefined, false], 'other readings');
  assert.deepEqual(outcome(), [undefined, true]);
  fed.change([{ subject: 'truck-17', ...status('active') }]);
  assert.deepEqual(outcome(), ['condition_not_met', true]);
  assert.deepEqual(outcome(), ['condition_not_met', true], 'a refusal is not remembered');
  fed.change([{ subject: 'truck-17', ...status('hot') }]);
  assert.deepEqual(outcome(), [undefined, true]);
  const restored = new FedReplica();
  restored.change([truck]);
  while (restored.replica.revision < fed.replica.revision - 1) restored.change([{ subject: 'truck-18' }]);
  restored.change([{ ...truck, ...status('hot') }]);
  fed.replica.succeed(restored.replica);
  assert.deepEqual(outcome(), [undefined, true], 'a snapshot, though it is of the same revision');
  fed.change([{ subject: 'truck-17', ...standing('suspended') }]);
  assert.deepEqual(outcome(), ['certificate_suspended', false], 'the certificate is looked at again');
  fed.change([{ subject: 'truck-17', ...standing('valid') }]);
  outcome();
  fed.clock.now += 60_000;
  assert.deepEqual(outcome(), ['replica_stale', false], 'and the lease');
});

test('P4: of many readings in a request the first that is refused is named, and each is looked at', () => {
  const fed = new FedReplica();
  fed.change([{ subject: 'truck-17', ...standing('valid') }]);
  const ground = groundOn(fed, { telemetry: { when: 'reading.t < 8.0' } });
  const stream = ground.policy.streams.get('telemetry');
  const refused = judge({ bearer: bearerOf('leaf'), stream, data: [{ t: 1 }, { t: 9 }, { t: 10 }] }, ground);
  assert.deepEqual([refused?.reason, refused?.line], ['condition_not_met', 2]);
});

test('P6: a certificate is admissible while any stream takes it; an operator while its standing is valid; lease or not', () => {
  const fed = new FedReplica();
  fed.change([
    { subject: 'truck-17', ...standing('valid'), ...status('off') },
    { subject: 'operator-1', kind: 'operator', certificates: [{ fingerprint: fingerprintNamed('operator') }] },
  ]);
  const strict = groundOn(fed, { telemetry: { expect } });
  const both = groundOn(fed, { telemetry: { expect }, diagnosis: { expect: { status: { in: ['off', 'active'] } } } });
  fed.clock.now += 10_000;
  assert.equal(isAdmissible(bearerOf('leaf'), strict), false);
  assert.equal(isAdmissible(bearerOf('leaf'), both), true);
  assert.equal(isAdmissible(bearerOf('operator'), strict), true);
  fed.change([
    {
      subject: 'operator-1',
      kind: 'operator',
      certificates: [{ fingerprint: fingerprintNamed('operator'), standing: 'suspended' }],
    },
  ]);
  assert.equal(isAdmissible(bearerOf('operator'), strict), false);
});

const names = ['status', 'site', 'level', 'armed'];
const value = fc.oneof(fc.constantFrom('active', 'off', 'berlin'), fc.integer({ min: 0, max: 3 }), fc.boolean());
const attributes = fc.dictionary(fc.constantFrom(...names), value);
const expectation: fc.Arbitrary<Expectation> = fc.oneof(
  value,
  fc.record({ in: fc.array(value, { minLength: 1, maxLength: 3 }) }),
  fc.record({ min: fc.integer({ min: 0, max: 3 }) }),
  fc.record({ max: fc.integer({ min: 0, max: 3 }) }),
);
const term = fc
  .tuple(fc.constantFrom(...names), value)
  .chain(([name, other]) =>
    fc.constantFrom(
      `attributes.${name} == ${JSON.stringify(other)}`,
      `attributes.${name} != ${JSON.stringify(other)}`,
      `!has(attributes.${name})`,
      `attributes["${name}"] < 2`,
      'subject.kind == "device"',
    ),
  );
const when = fc
  .tuple(term, fc.constantFrom('&&', '||'), term, fc.boolean())
  .map(([left, operator, right, negated]) => `${negated ? '!' : ''}(${left} ${operator} ${right})`);

test('C4: deleting any attribute never turns a refusal into an admission', () => {
  const stream = fc.record({
    expect: fc.dictionary(fc.constantFrom(...names), expectation),
    when: fc.option(when, { nil: undefined }),
  });
  fc.assert(
    fc.property(attributes, stream, (held, config) => {
      const fed = new FedReplica();
      const set = Object.fromEntries(Object.entries(held).map(([name, one]) => [name, { value: one }]));
      fed.change([{ subject: 'truck-17', ...standing('valid'), attributes: set }]);
      const ground = groundOn(fed, { telemetry: config });
      const arrival = { bearer: bearerOf('leaf'), stream: ground.policy.streams.get('telemetry'), data: [] };
      if (judge(arrival, ground) === undefined) return;
      for (const name of Object.keys(held)) {
        fed.change([{ subject: 'truck-17', attributes: { [name]: { value: null } } }]);
        assert.notEqual(judge(arrival, ground), undefined, `without ${name}`);
      }
    }),
    { numRuns: 500 },
  );
});

test('P3: of a bearer whose certificate was forgotten nothing is decided by the row that another has now', () => {
  const fed = new FedReplica();
  const certificates = [{ fingerprint: fingerprintNamed('old'), standing: 'superseded' as const }];
  fed.change([{ subject: 'truck-17', certificates }]);
  const bearer = bearerOf('old');
  const row = bearer.rowIn(fed.replica);
  fed.replica.tend(fed.clock.now + 25 * hour);
  fed.change([{ subject: 'truck-18', certificates: [{ fingerprint: fingerprintNamed('new') }] }]);
  assert.equal(fed.replica.find(Buffer.from(fingerprintNamed('new'), 'hex')), row);
  const ground = groundOn(fed, { telemetry: {} });
  const stream = ground.policy.streams.get('telemetry');
  assert.equal(judge({ bearer, stream, data: [] }, ground)?.reason, 'certificate_unknown');
});
