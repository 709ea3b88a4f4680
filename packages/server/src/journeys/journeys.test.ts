import assert from 'node:assert/strict';
import { test } from 'node:test';
import { putSubject, startedAt, subjectId } from '../../test/records.ts';
import {
  arrive,
  kept,
  lane,
  openShipping,
  operator,
  outcomeOf,
  type Shipping,
  ship,
  step,
} from '../../test/shipping.ts';
import { stepsOf } from './journeys.ts';
import { pendingMax } from './judge.ts';

const [minute, hour, day] = [60_000, 3_600_000, 86_400_000];

/** To where the offline step is expected. */
async function shipped(shipping: Shipping, id = 'box-1', values: Record<string, string> = { cold_chain: 'intact' }) {
  await shipping.journeys.create(operator, {
    shipment: subjectId(id),
    journey: lane.journey,
    attributes: values as never,
  });
  for (const checkpoint of ['factory', 'trucker']) await arrive(shipping, checkpoint, id);
}

const standsAt = async ({ attributes }: Shipping, id: string) => {
  const { attributes: all } = await attributes.read(id);
  const value = (name: string) => all.find((one) => one.name === name)?.value;
  return `${value('state')} ${value('step') ?? '-'}`;
};

const lastNotes = async ({ journal }: Shipping, count: number) => {
  const entries = await journal.entries(Math.max(0, journal.head().position - count), count);
  return entries.map(
    ({ action, revision, body }): Record<string, unknown> => ({
      ...{ action, revision },
      ...(body as Record<string, unknown>),
    }),
  );
};

test('a shipment goes from step to step, and its attributes with it, each in one revision', async (context) => {
  const shipping = await openShipping(context);
  await shipped(shipping);
  assert.equal(await standsAt(shipping, 'box-1'), 'moving pickup');
  const before = shipping.journal.head().revision;
  assert.equal(outcomeOf(await arrive(shipping, 'customs', 'box-1')), 'recorded export-customs');
  assert.equal(shipping.journal.head().revision, before + 1);
  assert.equal(outcomeOf(await arrive(shipping, 'ship', 'box-1')), 'recorded loaded');
  assert.equal(outcomeOf(await arrive(shipping, 'clinic', 'box-1')), 'recorded delivered');
  assert.equal(await standsAt(shipping, 'box-1'), 'delivered delivered');
  assert.equal(outcomeOf(await arrive(shipping, 'clinic', 'box-1')), 'journey_finished');
});

test('what this room writes of a shipment nobody else does', async (context) => {
  const shipping = await openShipping(context);
  await ship(shipping, 'box-1');
  const set = { state: 'delivered' } as never;
  await assert.rejects(shipping.attributes.change(operator, { subjects: [subjectId('box-1')], set }), {
    code: 'attribute_reserved',
  });
  await assert.rejects(
    shipping.journeys.create(operator, { shipment: subjectId('box-2'), journey: lane.journey, attributes: set }),
    { code: 'attribute_reserved' },
  );
});

test('an attempt out of sequence is refused, rings, and is kept in the journal without a revision', async (context) => {
  const shipping = await openShipping(context);
  await ship(shipping, 'box-1');
  const before = shipping.journal.head().revision;
  const refused = await arrive(shipping, 'ship', 'box-1', { arrival: 'early' });
  assert.deepEqual(refused, {
    outcome: 'refused',
    refusal: {
      reason: 'out_of_sequence',
      why: 'expected is [factory], not "loaded"',
      expected: ['factory'],
      found: 'loaded',
    },
  });
  assert.equal(shipping.journal.head().revision, before);
  const [note] = await lastNotes(shipping, 1);
  assert.deepEqual([note?.action, note?.revision, note?.refused], ['arrival.record', null, 'out_of_sequence']);
  assert.deepEqual(await kept(shipping, 'out_of_sequence'), ['box-1/early']);
  const { arrivals } = await shipping.journeys.read('box-1');
  assert.deepEqual([arrivals[0]?.outcome, arrivals[0]?.refusal?.reason], ['refused', 'out_of_sequence']);
});

test('the same arrival again is answered the same, also a refusal; with other content it is refused', async (context) => {
  const shipping = await openShipping(context);
  await ship(shipping, 'box-1');
  const first = await arrive(shipping, 'factory', 'box-1', { arrival: 'a', note: 'on time' });
  const position = shipping.journal.head().position;
  assert.deepEqual(await arrive(shipping, 'factory', 'box-1', { arrival: 'a', note: 'on time' }), first);
  assert.equal(shipping.journal.head().position, position);
  assert.equal(
    outcomeOf(await arrive(shipping, 'factory', 'box-1', { arrival: 'a', note: 'late' })),
    'arrival_id_reused',
  );
  assert.equal(
    outcomeOf(await arrive(shipping, 'trucker', 'box-1', { arrival: 'a', note: 'on time' })),
    'arrival_id_reused',
  );
  const refused = await arrive(shipping, 'clinic', 'box-1', { arrival: 'b' });
  assert.deepEqual(await arrive(shipping, 'clinic', 'box-1', { arrival: 'b' }), refused);
});

test('of ten at once one wins, and the others are judged after it', async (context) => {
  const shipping = await openShipping(context);
  await ship(shipping, 'box-1');
  const all = await Promise.all(Array.from({ length: 10 }, () => arrive(shipping, 'factory', 'box-1')));
  assert.deepEqual(all.map(outcomeOf).sort(), [...Array(9).fill('out_of_sequence'), 'recorded factory']);
});

test('an unknown, a stopped and a retired shipment take no arrival; the attempt is kept', async (context) => {
  const shipping = await openShipping(context);
  await assert.rejects(arrive(shipping, 'factory', 'box-9'), { code: 'subject_unknown' });
  const [note] = await lastNotes(shipping, 1);
  assert.deepEqual([note?.shipment, note?.refused], ['box-9', 'subject_unknown']);
  await ship(shipping, 'box-1');
  await shipping.journeys.steer(operator, 'box-1', { action: 'stop' });
  assert.equal(await standsAt(shipping, 'box-1'), 'stopped -');
  assert.equal(outcomeOf(await arrive(shipping, 'factory', 'box-1')), 'shipment_stopped');
  assert.equal((await shipping.journeys.steer(operator, 'box-1', { action: 'stop' })).changed, 0);
  await shipping.journeys.steer(operator, 'box-1', { action: 'resume' });
  assert.equal(await standsAt(shipping, 'box-1'), 'created -');
  await shipping.revocation.retire(operator, 'box-1');
  assert.equal(outcomeOf(await arrive(shipping, 'factory', 'box-1')), 'shipment_stopped');
});

test('who may record a step is a matter of live attributes', async (context) => {
  const shipping = await openShipping(context);
  await ship(shipping, 'box-1');
  assert.equal(outcomeOf(await arrive(shipping, 'trucker', 'box-1', { step: 'factory' })), 'checkpoint_not_expected');
  await putSubject(shipping, 'stranger', 'checkpoint', { role: 'none' });
  assert.equal(outcomeOf(await arrive(shipping, 'stranger', 'box-1')), 'checkpoint_not_expected');
  await shipping.attributes.change(operator, { subjects: [subjectId('factory')], set: { role: 'none' } as never });
  assert.equal(outcomeOf(await arrive(shipping, 'factory', 'box-1')), 'checkpoint_not_expected');
});

test('a load that got warm is not delivered, and neither is one that nobody watched', async (context) => {
  const shipping = await openShipping(context);
  await shipped(shipping, 'box-1', { cold_chain: 'broken' });
  for (const checkpoint of ['customs', 'ship']) await arrive(shipping, checkpoint, 'box-1');
  const refused = await arrive(shipping, 'clinic', 'box-1');
  assert.ok(refused.outcome === 'refused');
  assert.deepEqual([refused.refusal.reason, refused.refusal.attribute], ['condition_not_met', 'cold_chain']);
  await shipping.attributes.change(operator, {
    subjects: [subjectId('box-1')],
    set: { cold_chain: 'intact' } as never,
  });
  shipping.evidence.lacking = 'no reading for 40 minutes';
  assert.equal(outcomeOf(await arrive(shipping, 'clinic', 'box-1')), 'evidence_missing');
  shipping.evidence.lacking = undefined;
  assert.equal(outcomeOf(await arrive(shipping, 'clinic', 'box-1')), 'recorded delivered');
});

test('a detour that is allowed goes back, and no other does', async (context) => {
  const shipping = await openShipping(context);
  await shipped(shipping);
  assert.equal(outcomeOf(await arrive(shipping, 'factory', 'box-1')), 'recorded factory');
  assert.equal(await standsAt(shipping, 'box-1'), 'returned factory');
  assert.equal(outcomeOf(await arrive(shipping, 'factory', 'box-1')), 'out_of_sequence');
  assert.equal(outcomeOf(await arrive(shipping, 'trucker', 'box-1')), 'recorded pickup');
  assert.equal(await standsAt(shipping, 'box-1'), 'moving pickup');
});

test('times: from the future, too late for a step that is not offline, and older than an offline step may be', async (context) => {
  const shipping = await openShipping(context);
  await ship(shipping, 'box-1');
  const { clock } = shipping;
  clock.now = startedAt + 10 * day;
  assert.equal(outcomeOf(await arrive(shipping, 'factory', 'box-1', { at: clock.now + hour })), 'too_early');
  assert.equal(outcomeOf(await arrive(shipping, 'factory', 'box-1', { at: clock.now - hour })), 'too_late');
  const recorded = await arrive(shipping, 'factory', 'box-1', { at: clock.now - minute });
  assert.ok(recorded.outcome === 'recorded');
  assert.equal(recorded.at, new Date(clock.now).toISOString());
  await arrive(shipping, 'trucker', 'box-1');
  assert.equal(outcomeOf(await arrive(shipping, 'customs', 'box-1', { at: clock.now - 8 * day })), 'too_late');
  assert.equal(outcomeOf(await arrive(shipping, 'customs', 'box-1', { at: clock.now - day })), 'time_contradicts');
  assert.equal(
    outcomeOf(await arrive(shipping, 'customs', 'box-1', { at: clock.now - minute })),
    'recorded export-customs',
  );
});

test('an arrival waits for a missing offline step, and counts in the transaction that brings it', async (context) => {
  const shipping = await openShipping(context);
  await shipped(shipping);
  const { clock } = shipping;
  clock.now += hour;
  const claimed = clock.now;
  clock.now += hour;
  const waits = await arrive(shipping, 'ship', 'box-1', { arrival: 'waits' });
  assert.ok(waits.outcome === 'pending');
  assert.deepEqual([waits.waitsFor, waits.revision], [['export-customs'], null]);
  assert.equal(await standsAt(shipping, 'box-1'), 'moving pickup');
  assert.deepEqual(await kept(shipping, 'arrival_pending'), ['box-1/waits']);
  clock.now += hour;
  const delivered = await arrive(shipping, 'clinic', 'box-1');
  assert.equal(delivered.outcome, 'pending');
  assert.equal(outcomeOf(await arrive(shipping, 'customs', 'box-1')), 'time_contradicts');
  const before = shipping.journal.head().revision;
  assert.equal(outcomeOf(await arrive(shipping, 'customs', 'box-1', { at: claimed })), 'recorded export-customs');
  assert.equal(shipping.journal.head().revision, before + 1);
  assert.equal(await standsAt(shipping, 'box-1'), 'delivered delivered');
  assert.deepEqual(await kept(shipping, 'arrival_pending'), [
    'box-1/waits settled',
    `box-1/${delivered.arrival} settled`,
  ]);
  const steps = await shipping.store.read((db) => stepsOf(db, 'box-1'));
  assert.deepEqual(
    steps.map(({ step }) => step),
    ['factory', 'pickup', 'export-customs', 'loaded', 'delivered'],
  );
  const seen = await shipping.store.read((db) => shipping.journeys.publicOf(db, ['box-1']));
  assert.equal(seen.get('box-1')?.steps[2]?.claimed, true);
});

test('who may record an offline step had the role also at the time that is named', async (context) => {
  const shipping = await openShipping(context);
  await shipped(shipping);
  const { clock } = shipping;
  clock.now += day;
  await putSubject(shipping, 'customs-2', 'checkpoint', { role: 'customs' });
  const at = clock.now - hour;
  clock.now += hour;
  assert.equal(outcomeOf(await arrive(shipping, 'customs-2', 'box-1', { at })), 'checkpoint_not_expected');
  assert.equal(outcomeOf(await arrive(shipping, 'customs', 'box-1', { at })), 'recorded export-customs');
});

test('what waited is judged again by what is so then: a breach meanwhile is in the way', async (context) => {
  const shipping = await openShipping(context);
  await shipped(shipping);
  const at = shipping.clock.now;
  shipping.clock.now += hour;
  assert.equal(outcomeOf(await arrive(shipping, 'ship', 'box-1')), 'pending loaded');
  assert.equal(outcomeOf(await arrive(shipping, 'clinic', 'box-1', { arrival: 'last' })), 'pending delivered');
  await shipping.attributes.change(operator, {
    subjects: [subjectId('box-1')],
    set: { cold_chain: 'broken' } as never,
  });
  assert.equal(outcomeOf(await arrive(shipping, 'customs', 'box-1', { at })), 'recorded export-customs');
  assert.equal(await standsAt(shipping, 'box-1'), 'moving loaded');
  const { arrivals, pending } = await shipping.journeys.read('box-1');
  const last = arrivals.find(({ arrival }) => arrival === 'last');
  assert.deepEqual([pending, last?.refusal?.reason], [0, 'condition_not_met']);
});

test('so many wait and no more, a person ends the waiting, and time does', async (context) => {
  const shipping = await openShipping(context);
  await shipped(shipping);
  for (let index = 0; index < pendingMax; index++) await arrive(shipping, 'ship', 'box-1', { arrival: `w-${index}` });
  assert.equal(outcomeOf(await arrive(shipping, 'ship', 'box-1')), 'arrivals_pending');
  await shipping.journeys.takeBack(operator, 'box-1', { arrival: 'w-0', reason: 'a mistake' });
  assert.equal((await shipping.journeys.read('box-1')).pending, pendingMax - 1);
  assert.equal(outcomeOf(await arrive(shipping, 'ship', 'box-1', { arrival: 'w-0' })), 'arrival_withdrawn');
  shipping.clock.now += 7 * day + minute;
  await eventually(async () => (await shipping.journeys.read('box-1')).pending === 0);
  assert.equal(outcomeOf(await arrive(shipping, 'ship', 'box-1', { arrival: 'w-1' })), 'too_late');
});

async function eventually(isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 400 && !(await isSo()); tries++) await new Promise((resolve) => setTimeout(resolve, 25));
  assert.ok(await isSo());
}

test('a step that is late rings by the clock, once, and is over when it comes', async (context) => {
  const shipping = await openShipping(context);
  await ship(shipping, 'box-1');
  await arrive(shipping, 'factory', 'box-1');
  shipping.clock.now += day + hour;
  await eventually(async () => (await kept(shipping, 'late')).length === 1);
  const arrived = await arrive(shipping, 'trucker', 'box-1');
  assert.ok(arrived.outcome === 'recorded' && arrived.late);
  assert.match((await kept(shipping, 'late')).join(), /^box-1\/1\/\d+ settled$/);
});

test('corrections stand beside what they correct, and leave only what the journey allows', async (context) => {
  const shipping = await openShipping(context);
  await shipped(shipping);
  await arrive(shipping, 'customs', 'box-1', { arrival: 'customs' });
  await arrive(shipping, 'ship', 'box-1', { arrival: 'loaded' });
  const reason = 'the wrong box was scanned';
  const { journeys } = shipping;
  await assert.rejects(journeys.takeBack(operator, 'box-1', { arrival: 'customs', reason }), {
    code: 'correction_not_allowed',
  });
  const declaration = { arrival: 'd-1', step: 'export-customs', place: 'Le Havre', replaces: 'customs', reason };
  const declared = await journeys.declare(operator, 'box-1', declaration);
  assert.equal(declared.step, 'export-customs');
  assert.deepEqual(await journeys.declare(operator, 'box-1', declaration), declared);
  assert.equal(await standsAt(shipping, 'box-1'), 'moving loaded');
  await journeys.takeBack(operator, 'box-1', { arrival: 'loaded', reason });
  assert.equal(await standsAt(shipping, 'box-1'), 'moving export-customs');
  await assert.rejects(journeys.takeBack(operator, 'box-1', { arrival: 'loaded', reason }), {
    code: 'correction_not_allowed',
  });
  await assert.rejects(journeys.takeBack(operator, 'box-1', { arrival: 'none', reason }), { code: 'arrival_unknown' });
  await assert.rejects(journeys.declare(operator, 'box-1', { arrival: 'd-2', step: 'delivered', reason }), {
    code: 'out_of_sequence',
  });
  await journeys.declare(operator, 'box-1', { arrival: 'd-3', step: 'loaded', reason });
  const { arrivals } = await journeys.read('box-1');
  assert.deepEqual(
    arrivals.map(({ arrival, outcome, voided, replaces }) => [
      arrival.replace(/^a-\d+$/, 'a'),
      outcome,
      voided?.reason,
      replaces,
    ]),
    [
      ['a', 'recorded', undefined, null],
      ['a', 'recorded', undefined, null],
      ['customs', 'voided', reason, null],
      ['loaded', 'voided', reason, null],
      ['d-1', 'recorded', undefined, 'customs'],
      ['d-3', 'recorded', undefined, null],
    ],
  );
  const seen = await shipping.store.read((db) => journeys.publicOf(db, ['box-1', 'factory']));
  assert.deepEqual([...seen.keys()], ['box-1']);
  assert.deepEqual(
    seen.get('box-1')?.corrections.map(({ what, step }) => `${what} ${step}`),
    ['voided export-customs', 'voided loaded', 'declared export-customs', 'declared loaded'],
  );
  assert.equal(JSON.stringify(seen.get('box-1')).includes(reason), false);
});

test('a changed file is a new version, which a shipment takes by command alone, if it allows what was taken', async (context) => {
  const shipping = await openShipping(context);
  await shipped(shipping, 'box-1');
  const withoutCustoms = { ...lane, offline: [], steps: lane.steps.filter(({ name }) => name !== 'export-customs') };
  shipping.source.journeys = [withoutCustoms];
  assert.deepEqual(
    (await shipping.journeys.list()).map(({ version, steps }) => [version, steps.length]),
    [[2, 4]],
  );
  assert.equal(outcomeOf(await arrive(shipping, 'customs', 'box-1')), 'recorded export-customs');
  await assert.rejects(shipping.journeys.steer(operator, 'box-1', { action: 'reroute' }), {
    code: 'correction_not_allowed',
  });
  await shipped(shipping, 'box-2');
  assert.equal(outcomeOf(await arrive(shipping, 'ship', 'box-2')), 'recorded loaded');
  shipping.source.journeys = [lane];
  await shipping.reopen();
  assert.equal((await shipping.journeys.list())[0]?.version, 3);
  assert.equal((await shipping.journeys.steer(operator, 'box-1', { action: 'reroute' })).changed, 1);
  assert.equal((await shipping.journeys.read('box-1')).version, 3);
});

test('a tracker tells of one shipment at a time, and its attribute names it', async (context) => {
  const shipping = await openShipping(context);
  await putSubject(shipping, 'tracker-1');
  const create = (shipment: string, tracker: string) =>
    shipping.journeys.create(operator, {
      shipment: subjectId(shipment),
      journey: lane.journey,
      tracker: subjectId(tracker),
    });
  await create('box-1', 'tracker-1');
  const { attributes } = await shipping.attributes.read('tracker-1');
  assert.equal(attributes.find(({ name }) => name === 'shipment')?.value, 'box-1');
  await assert.rejects(create('box-1', 'tracker-1'), { code: 'shipment_exists' });
  await assert.rejects(create('box-2', 'tracker-1'), { code: 'tracker_bound' });
  await assert.rejects(create('box-2', 'factory'), { code: 'kind_conflict' });
  await assert.rejects(create('box-2', 'tracker-9'), { code: 'subject_unknown' });
  await assert.rejects(ship(shipping, 'box-2', 'no-lane'), { code: 'journey_unknown' });
  await assert.rejects(ship(shipping, 'factory'), { code: 'kind_conflict' });
});

test('one role at two steps means the step that is expected', async (context) => {
  const twice = {
    ...{ journey: 'twice', detours: [], offline: [], offlineMaxMs: day },
    steps: [step('a', 'trucker'), step('b', 'customs'), step('c', 'trucker', { final: true })],
  };
  const shipping = await openShipping(context, [twice]);
  await ship(shipping, 'box-1', 'twice');
  const taken: string[] = [];
  for (const checkpoint of ['trucker', 'trucker', 'customs', 'trucker']) {
    taken.push(outcomeOf(await arrive(shipping, checkpoint, 'box-1')));
  }
  assert.deepEqual(taken, ['recorded a', 'out_of_sequence', 'recorded b', 'recorded c']);
});
