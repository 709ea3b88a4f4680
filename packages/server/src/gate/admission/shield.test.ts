import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttributeValue, Standing } from '@portcullis/contract';
import fc from 'fast-check';
import { type Delta, FedReplica, fingerprintNamed, groundOn } from '../../../test/fed-replica.ts';
import { Bearer } from '../connections/bearer.ts';
import type { Policy } from '../policy/policy.ts';
import { type Ground, isAdmissible, judge } from './admit.ts';
import { Shield } from './shield.ts';

const bearerOf = (name: string) => new Bearer(Buffer.from(fingerprintNamed(name), 'hex'));
const hour = 3_600_000;

const streams = { telemetry: { expect: { status: 'active' } }, diagnosis: { expect: { site: 'berlin' } } };
const laxer = {
  telemetry: { expect: { status: { in: ['active', 'off'] } } },
  diagnosis: { when: 'attributes.site != "oslo"' },
};

const truck = (name: string, standing: Standing, values: Record<string, AttributeValue | null>): Delta => ({
  subject: name,
  attributes: Object.fromEntries(Object.entries(values).map(([key, value]) => [key, { value }])),
  certificates: [{ fingerprint: fingerprintNamed(name), standing }],
});

/** A shield over a fleet of two trucks, and the clock of both. */
function shielded() {
  const fed = new FedReplica();
  const start = fed.clock.now;
  const policies = [streams, laxer].map((one) => groundOn(fed, one).policy) as [Policy, Policy];
  const ground = { ...groundOn(fed, streams) };
  const shield = new Shield({ ground, monotonic: () => fed.clock.now - start });
  let judged = 0;
  const ask = (name: string, stream = 'telemetry') => {
    const bearer = bearerOf(name);
    return shield.refusalOf(bearer, stream, () => {
      judged++;
      return judge({ bearer, stream: ground.policy.streams.get(stream), data: [] }, ground);
    });
  };
  return { fed, ground, policies, shield, ask, judged: () => judged };
}

test('who is refused again is told to stay away for longer where he came too soon, up to half a minute, and is not judged anew', () => {
  const { fed, ask, shield, judged } = shielded();
  fed.change([truck('truck-1', 'valid', { status: 'off' })]);
  const told = () => ask('truck-1')?.retryAfterSeconds;
  assert.deepEqual(
    Array.from({ length: 7 }, () => told()),
    [1, 2, 4, 8, 16, 30, 30],
  );
  assert.deepEqual([judged(), shield.repeated, shield.size], [1, 6, 1]);
  fed.change([truck('truck-1', 'valid', { status: 'off' })]);
  assert.equal(told(), 1, 'a change that leaves it refused');
  fed.clock.now += 1_000;
  assert.equal(told(), 1, 'it stayed away as it was told');
  assert.equal(told(), 2);
});

test('what is kept says whether anything else admits its sender, and nothing of it is kept of whom the gate does not know', () => {
  const { fed, ask, shield } = shielded();
  fed.change([truck('truck-1', 'valid', { status: 'off', site: 'berlin' }), truck('truck-2', 'revoked', {})]);
  assert.equal(ask('truck-1')?.nowhere, false);
  assert.equal(ask('truck-1', 'diagnosis'), undefined);
  assert.deepEqual([ask('truck-2')?.nowhere, ask('truck-2')?.refused.reason], [true, 'certificate_revoked']);
  const { size } = shield;
  const unknown = ask('truck-3');
  assert.deepEqual([unknown?.refused.reason, unknown?.retryAfterSeconds], ['certificate_unknown', undefined]);
  fed.clock.now += 60_000;
  const stale = ask('truck-1');
  assert.deepEqual([stale?.refused.reason, stale?.retryAfterSeconds], ['replica_stale', undefined]);
  assert.equal(shield.size, size);
});

test('P13: so many certificates are known, and the one that was refused longest ago is forgotten first', () => {
  const { fed, ask, shield } = shielded();
  const names = Array.from({ length: 10_002 }, (_, number) => `truck-${number}`);
  fed.change(names.map((name) => truck(name, 'revoked', {})));
  for (const name of names.slice(0, 10_000)) ask(name);
  ask('truck-0');
  for (const name of names.slice(10_000)) ask(name);
  assert.equal(shield.size, 10_000);
  assert.equal(ask('truck-0')?.retryAfterSeconds, 4, 'it came after all the others');
  assert.equal(ask('truck-1')?.retryAfterSeconds, 1, 'it was forgotten');
});

type Step = (world: ReturnType<typeof shielded>) => void;

const name = fc.constantFrom('truck-1', 'truck-2');
const values = fc.record({
  status: fc.constantFrom<AttributeValue | null>('active', 'off', null),
  site: fc.constantFrom<AttributeValue | null>('berlin', 'oslo', null),
});
const standing = fc.constantFrom<Standing>('valid', 'valid', 'suspended', 'revoked');

const change = fc.tuple(name, standing, values).map(
  ([subject, held, set]): Step =>
    ({ fed }) =>
      void fed.change([truck(subject, held, set)]),
);
/** From another history: the same revision says other things. */
const snapshot = fc.tuple(standing, values).map(
  ([held, set]): Step =>
    ({ fed }) => {
      const restored = new FedReplica();
      while (restored.replica.revision < fed.replica.revision - 1) restored.change([{ subject: 'truck-3' }]);
      restored.change([truck('truck-1', held, set), truck('truck-2', held, set)]);
      if (restored.replica.revision === fed.replica.revision) fed.replica.succeed(restored.replica);
    },
);
const policy = fc.constantFrom(0, 1).map(
  (index): Step =>
    ({ ground, policies }) => {
      ground.policy = policies[index] as Policy;
    },
);
const grant = fc.constant<Step>(({ ground: { lease } }) => lease.granted(lease.sending(), 5_000));
const wait = fc.constantFrom(500, 2_000, 6_000, 23 * hour).map(
  (ms): Step =>
    ({ fed }) => {
      fed.clock.now += ms;
    },
);
const arrival = fc.tuple(name, fc.constantFrom('telemetry', 'diagnosis', 'nowhere')).map(([subject, stream]): Step => {
  return ({ ground, ask }) => {
    const bearer = bearerOf(subject);
    const refused = judge({ bearer, stream: ground.policy.streams.get(stream), data: [] }, ground as Ground);
    const answered = ask(subject, stream);
    assert.deepEqual(answered?.refused, refused);
    if (answered) assert.equal(answered.nowhere, !isAdmissible(bearer, ground));
  };
});
const step = fc.oneof(
  { arbitrary: arrival, weight: 12 },
  { arbitrary: change, weight: 4 },
  { arbitrary: grant, weight: 3 },
  ...[snapshot, policy, wait].map((arbitrary) => ({ arbitrary, weight: 1 })),
);

test('P4: whatever changes in between, who is refused before is answered as who was never here, and nobody is refused who would be admitted', () => {
  let repeated = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), (steps) => {
      const world = shielded();
      world.fed.change([truck('truck-1', 'valid', { status: 'off' }), truck('truck-2', 'valid', { site: 'oslo' })]);
      for (const take of steps) take(world);
      repeated += world.shield.repeated;
    }),
    { numRuns: 1_000 },
  );
  assert.ok(repeated > 1_000, `${repeated} were answered by what was kept`);
});
