import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PortcullisError } from '@portcullis/contract';
import { eventually } from '../../test/house.ts';
import { at, coldChain, minute, RuledFleet, shipmentWithTracker } from '../../test/ruled-fleet.ts';
import { toldOf } from '../../test/told-by-gates.ts';
import { keptMs, prune } from './prune.ts';
import { edgesMax } from './take.ts';

test('what is well moves the attribute once, and newer readings of the same side are no revision', async (context) => {
  const fleet = await shipmentWithTracker(context);
  assert.equal(await fleet.valueOf('box-1'), undefined);
  await fleet.hear('in 0-5');
  await fleet.until(5);
  assert.equal(await fleet.valueOf('box-1'), 'intact');
  const { revision, position } = fleet.records.journal.head();
  await fleet.hear('in 6-20');
  await fleet.until(20);
  assert.deepEqual(
    [fleet.records.journal.head().revision, fleet.records.journal.head().position],
    [revision, position],
  );
});

test('an excursion that is too long moves the attribute by the clock alone, in one revision that says why, and rings', async (context) => {
  const fleet = await shipmentWithTracker(context);
  await fleet.hear('in 0-4, out 5');
  await fleet.until(14);
  assert.equal(await fleet.valueOf('box-1'), 'intact');
  await fleet.until(16);
  assert.equal(await fleet.valueOf('box-1'), 'broken');
  const [last] = await fleet.records.journal.changes(fleet.records.journal.head().revision - 1, 1);
  assert.equal(last?.action, 'rules.breach');
  assert.deepEqual([last?.about?.rule, last?.about?.status], ['cold-chain', 'broken']);
  assert.match(
    last?.reason ?? '',
    /^cold-chain: box-1 was outside for longer than 600 s, passed at 2030-01-01T00:15:00/,
  );
  assert.deepEqual(fleet.rung, [{ does: 'raise', kind: 'breach', key: 'breach:1' }]);
});

test('a breach does not go away by itself, a person acknowledges it, and the record stays', async (context) => {
  const fleet = await shipmentWithTracker(context);
  await fleet.hear('in 0-4, out 5-16, in 17-60');
  await fleet.until(60);
  assert.equal(await fleet.valueOf('box-1'), 'broken');
  const by = { actor: 'operator-1' };
  await fleet.rules.acknowledge(by, { subject: 'box-1', reason: 'the door was open, the goods are well' });
  assert.equal(await fleet.valueOf('box-1'), 'intact');
  const { items } = await fleet.rules.breaches({ limit: 10, all: '1' });
  assert.deepEqual(
    items.map(({ acknowledged, stands }) => [acknowledged?.by, acknowledged?.reason, stands]),
    [['operator-1', 'the door was open, the goods are well', true]],
  );
  assert.deepEqual((await fleet.rules.breaches({ limit: 10 })).items, []);
  assert.equal(fleet.rung.at(-1)?.key, 'breach:1');
  await assert.rejects(fleet.rules.acknowledge(by, { subject: 'box-1', reason: 'again' }), { code: 'breach_unknown' });
  await fleet.hear('in 61-70');
  await fleet.until(90);
  assert.equal(await fleet.valueOf('box-1'), 'intact');
});

test('an acknowledged excursion that goes on is a breach again after as long', async (context) => {
  const fleet = await shipmentWithTracker(context, [{ ...coldChain, budget: undefined }]);
  await fleet.hear('out 0-16');
  await fleet.until(16);
  await fleet.rules.acknowledge({ actor: 'operator-1' }, { subject: 'box-1', reason: 'I saw it' });
  assert.equal(await fleet.valueOf('box-1'), 'intact');
  await fleet.hear('out 17-27');
  await fleet.until(27);
  assert.equal(await fleet.valueOf('box-1'), 'broken');
  assert.equal((await fleet.rules.breaches({ limit: 10, all: '1' })).items.length, 2);
});

test('silence runs from the binding; later readings that cover it make it well, and what they do not cover stays unknown', async (context) => {
  const fleet = await shipmentWithTracker(context);
  await fleet.until(31);
  assert.equal(await fleet.valueOf('box-1'), 'unknown');
  assert.equal(fleet.rung.at(-1)?.kind, 'silence');
  await fleet.hear('in 0-40');
  await fleet.until(41);
  assert.equal(await fleet.valueOf('box-1'), 'intact');
  assert.deepEqual(
    fleet.rung.map(({ does }) => does),
    ['raise', 'settle'],
  );
  await fleet.hear('in 80-90');
  await fleet.until(90);
  assert.equal(await fleet.valueOf('box-1'), 'unknown');
  const [view] = (await fleet.rules.excursions('box-1')).rules;
  assert.deepEqual(
    view?.gaps.map(({ from, to, cause }) => [from, to, cause]),
    [['2030-01-01T00:40:00.000Z', '2030-01-01T01:20:00.000Z', 'silent']],
  );
  await fleet.rules.acknowledge({ actor: 'operator-1' }, { subject: 'box-1', reason: 'it was in the tunnel' });
  assert.equal(await fleet.valueOf('box-1'), 'intact');
});

test('a gap has its cause: a gate that refused says why, and no gate is one too', async (context) => {
  const fleet = await shipmentWithTracker(context);
  await fleet.hear('in 0-5');
  const gap = { subject: 'tracker-1', stream: 'cold', reason: 'certificate_suspended', at: '2030-01-01T00:10:00.000Z' };
  await fleet.rules.take('gate-1', { edges: [], newest: [], gaps: [gap, gap] as never });
  await fleet.until(36);
  const [view] = (await fleet.rules.excursions('box-1')).rules;
  assert.deepEqual(
    view?.gaps.map(({ cause, reason }) => [cause, reason]),
    [['refused', 'certificate_suspended']],
  );
});

test('a tracker that was bound to another shipment speaks for each in its own time', async (context) => {
  const fleet = await shipmentWithTracker(context);
  await fleet.put('box-2', 'shipment');
  await fleet.hear('in 0-20');
  await fleet.until(20);
  await fleet.set('tracker-1', { shipment: 'box-2' });
  await fleet.hear('out 21-40');
  await fleet.until(40);
  assert.deepEqual([await fleet.valueOf('box-1'), await fleet.valueOf('box-2')], ['intact', 'broken']);
});

test('what is told again, in any order, and over restarts, changes nothing', async (context) => {
  const fleet = await shipmentWithTracker(context);
  await fleet.hear('in 0-4, out 5-8, in 9-20, out 21-33, in 34-60');
  await fleet.until(60);
  const seen = await fleet.rules.excursions('box-1');
  const { revision } = fleet.records.journal.head();
  await fleet.hear('');
  await fleet.restart();
  await fleet.until(61);
  await fleet.hear('');
  await fleet.until(62);
  assert.deepEqual(await fleet.rules.excursions('box-1'), seen);
  assert.equal(fleet.records.journal.head().revision, revision);
});

test('an authority that was away finds at its start what time alone changed', async (context) => {
  const fleet = await shipmentWithTracker(context);
  await fleet.hear('in 0-4, out 5');
  await fleet.until(5);
  fleet.records.clock.now = at(45);
  await fleet.restart();
  assert.equal(await fleet.valueOf('box-1'), 'broken');
});

test('late readings that show another excursion make a delivered shipment broken, and ring differently', async (context) => {
  const during = { from: 'pickup', until: 'delivered' };
  const fleet = await shipmentWithTracker(context, [{ ...coldChain, during }]);
  await fleet.hear('out 0-9, in 10-29, in 50-70');
  await fleet.until(9);
  assert.equal(await fleet.valueOf('box-1'), undefined);
  fleet.steps.set('box-1', [
    { step: 'pickup', at: at(10) },
    { step: 'delivered', at: at(60) },
  ]);
  fleet.delivered.add('box-1');
  await fleet.set('box-1', { step: 'delivered' });
  await fleet.until(70);
  assert.equal(await fleet.valueOf('box-1'), 'intact');
  await fleet.hear('out 30-49');
  await fleet.until(71);
  assert.equal(await fleet.valueOf('box-1'), 'broken');
  assert.equal(fleet.rung.at(-1)?.kind, 'breach_after_delivery');
});

test('evidence is asked for at a time: an open excursion, silence, a gap, a breach and a missing sender are none', async (context) => {
  const fleet = await shipmentWithTracker(context);
  await fleet.put('box-2', 'shipment');
  const ask = (minutes: number, subject = 'box-1', attribute = 'cold_chain') =>
    fleet.records.store.read((db) => fleet.rules.evidence(db, { subject, attribute, at: at(minutes) }));
  const why = async (...asked: Parameters<typeof ask>) => (await ask(...asked))?.why ?? 'proven';
  assert.match(await why(1), /nothing was heard of tracker-1/);
  await fleet.hear('in 0-4, out 5-8, in 9-20');
  await fleet.until(60);
  assert.equal(await why(12), 'proven');
  assert.match(await why(7), /outside since 2030-01-01T00:05/);
  assert.match(await why(55), /from 2030-01-01T00:20.*to now/);
  assert.match(await why(12, 'box-2'), /no sender was ever bound/);
  assert.equal(await why(12, 'box-1', 'colour'), 'proven');
  await fleet.hear('out 61-75, in 76-80');
  await fleet.until(80);
  assert.match(await why(80), /passed at .*nobody has acknowledged it/);
});

test('two rules over one attribute: the worst counts, and a breach is not undone by what is well elsewhere', async (context) => {
  const dry = { ...coldChain, rule: 'dry', budget: undefined, silent: undefined, on: { breach: coldChain.on.breach } };
  const fleet = await shipmentWithTracker(context, [coldChain, dry]);
  await fleet.hear('in 0-20');
  await fleet.until(20);
  await fleet.hear('out 0-15', { rule: 'dry', gate: 'gate-2' });
  await fleet.until(21);
  assert.equal(await fleet.valueOf('box-1'), 'broken');
  await fleet.hear('in 21-25');
  await fleet.until(25);
  assert.equal(await fleet.valueOf('box-1'), 'broken');
});

test('bad input: a rule that nobody sends for, that names a subject that is not there, edges of a rule that is gone', async (context) => {
  const fleet = await shipmentWithTracker(context);
  await fleet.set('tracker-1', { shipment: 'no-such-box' });
  await fleet.hear('out 0-20');
  await fleet.until(20);
  assert.equal((await fleet.rules.breaches({ limit: 10 })).items[0]?.subject, 'no-such-box');
  await fleet.hear('out 0-20', { rule: 'no-such-rule', gate: 'gate-2' });
  await fleet.set('tracker-1', { shipment: 'box-1' }, []);
  assert.deepEqual(fleet.logged, []);
});

test('P13: a sender that goes in and out with each reading keeps a bounded number of edges, and what went is not known', async (context) => {
  const fleet = await shipmentWithTracker(context, [{ ...coldChain, budget: undefined }]);
  const readings = Array.from({ length: edgesMax + 200 }, (_, index) => ({
    ...{ gate: 'gate-1', at: at(index), side: index % 2 ? ('outside' as const) : ('inside' as const) },
  }));
  await fleet.tell(toldOf(readings));
  const { count } = await fleet.records.store.read((db) =>
    db
      .selectFrom('ruleEdges')
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow(),
  );
  assert.equal(count, edgesMax);
  await fleet.until(edgesMax + 200);
  assert.equal(await fleet.valueOf('box-1'), 'unknown');
});

test('nobody else writes what a rule moves', async (context) => {
  const fleet = await shipmentWithTracker(context);
  await assert.rejects(fleet.set('box-1', { cold_chain: 'intact' }), {
    code: 'attribute_reserved',
    message: /the rule "cold-chain" moves it; a person decides by "portcullis breach acknowledge"/,
  });
});

test('a rule without "about" is about its sender', async (context) => {
  const own = { ...coldChain, about: undefined, budget: undefined, on: { breach: { cooling: 'failed' } } };
  const fleet = await RuledFleet.open(context, [own]);
  await fleet.put('tracker-1', 'device');
  await fleet.hear('in 0-4, out 5-17');
  await fleet.until(17);
  assert.equal(await fleet.valueOf('tracker-1', 'cooling'), 'failed');
  await fleet.hear('in 18-20');
  await fleet.until(20);
  await fleet.rules.acknowledge({ actor: 'operator-1' }, { subject: 'tracker-1', reason: 'repaired' });
  assert.equal(await fleet.valueOf('tracker-1', 'cooling'), undefined);
});

test('J2: every version of a rule is kept, an edge says which it was found by, and unchanged files are no revision', async (context) => {
  const fleet = await shipmentWithTracker(context);
  const [first] = fleet.rules.list();
  assert.equal(fleet.rules.toTell.current().revision, first?.revision);
  await fleet.restart();
  assert.deepEqual(fleet.rules.list(), [first]);
  fleet.files = [{ ...coldChain, for: 20 * minute }];
  await fleet.restart();
  const [second] = fleet.rules.list();
  assert.notEqual(second?.revision, first?.revision);
  assert.equal(second?.forMs, 20 * minute);
  fleet.files = [];
  await fleet.restart();
  assert.deepEqual(fleet.rules.list(), []);
  assert.equal((await fleet.actions()).filter((action) => action === 'rules.change').length, 3);
});

test('rules are read again while the authority runs; a set that is not valid is refused whole, and the one before stays', async (context) => {
  const fleet = await shipmentWithTracker(context);
  const told: number[] = [];
  fleet.rules.toTell.onChange(() => told.push(fleet.rules.toTell.current().revision));
  const { read } = fleet;
  fleet.read = () => {
    throw new PortcullisError('config_invalid', 'rules/cold-chain.yaml:5: it is wrong');
  };
  fleet.files = [{ ...coldChain, for: 5 * minute }];
  await eventually(() => fleet.logged.length > 0, 'it is refused');
  assert.match(fleet.logged[0] ?? '', /the rules are not replaced: rules\/cold-chain\.yaml:5: it is wrong/);
  assert.equal(fleet.rules.list()[0]?.forMs, 10 * minute);
  fleet.read = read;
  fleet.files = [{ ...coldChain, for: 6 * minute }];
  await eventually(() => told.length > 0, 'gates are told');
  assert.deepEqual(told, [fleet.rules.list()[0]?.revision]);
});

test('an attribute is of one type in the fleet: a rule that makes it another is refused', async (context) => {
  const fleet = await shipmentWithTracker(context);
  await fleet.set('box-1', { weight: 3 });
  fleet.files = [{ ...coldChain, on: { breach: { weight: 'too much' } } }];
  await assert.rejects(fleet.restart(), { code: 'config_invalid', message: /"weight" is a number in this fleet/ });
  fleet.files = [coldChain];
  await fleet.restart();
});

test('P15: what a rule moves is public where the rule says so, and private else', async (context) => {
  const fleet = await shipmentWithTracker(context);
  const seen = async () => (await fleet.records.attributes.read('box-1')).attributes[0]?.visibility;
  await fleet.hear('in 0-5');
  await fleet.until(5);
  assert.equal(await seen(), 'private');
  fleet.files = [{ ...coldChain, public: true }];
  await fleet.restart();
  await fleet.hear('out 6-17');
  await fleet.until(17);
  assert.equal(await seen(), 'public');
});

test('what is older than is kept goes, and what was found of a journey that ended stays', async (context) => {
  const during = { from: 'pickup', until: 'delivered' };
  const fleet = await shipmentWithTracker(context, [{ ...coldChain, during }]);
  fleet.steps.set('box-1', [
    { step: 'pickup', at: at(0) },
    { step: 'delivered', at: at(60) },
  ]);
  await fleet.hear('in 0-4, out 5-17, in 18-60');
  await fleet.until(61);
  const { store } = fleet.records;
  const seen = await fleet.rules.excursions('box-1');
  assert.equal(seen.rules[0]?.excursions.length, 1);
  const now = () => at(61) + keptMs;
  await prune({ store, rules: { last: () => undefined }, now });
  assert.deepEqual(await store.read((db) => db.selectFrom('ruleEdges').selectAll().execute()), []);
  fleet.records.clock.now = now() + minute;
  await fleet.set('box-1', { step: 'delivered' });
  await fleet.restart();
  assert.deepEqual(await fleet.rules.excursions('box-1'), seen);
  assert.equal(await fleet.valueOf('box-1'), 'broken');
});

test('a breach that moves no attribute is an entry of the journal and no revision; its end is put beside it', async (context) => {
  const fleet = await shipmentWithTracker(context, [{ ...coldChain, budget: undefined, on: {} }]);
  const { revision } = fleet.records.journal.head();
  await fleet.hear('in 0-4, out 5-16');
  await fleet.until(16);
  const open = await fleet.rules.breaches({ limit: 10 });
  assert.deepEqual(
    open.items.map(({ to }) => to),
    [null],
  );
  await fleet.hear('in 17-18');
  await fleet.until(20);
  const { items } = await fleet.rules.breaches({ limit: 10 });
  assert.deepEqual(
    items.map(({ to }) => to),
    ['2030-01-01T00:17:00.000Z'],
  );
  assert.equal(fleet.records.journal.head().revision, revision);
  assert.equal((await fleet.actions()).at(-1), 'rules.breach');
});

test('what is told while a subject is looked at is not lost', async (context) => {
  const fleet = await shipmentWithTracker(context);
  await fleet.hear('in 0-2');
  fleet.records.clock.now = at(3);
  const looks = fleet.rules.settled();
  await Promise.all([looks, fleet.hear('out 3-15'), fleet.rules.settled()]);
  await fleet.until(16);
  assert.equal(await fleet.valueOf('box-1'), 'broken');
});

test('readings that only go on cost no look at their subject, and when it was last heard is told all the same', async (context) => {
  const fleet = await shipmentWithTracker(context);
  await fleet.hear('in 0-5');
  await fleet.until(6);
  const judgedAt = () =>
    fleet.records.store.read((db) => db.selectFrom('ruleStates').select('judgedAt').executeTakeFirstOrThrow());
  const before = await judgedAt();
  const minutes = [0, 1, 2, 3, 4, 5, 10, 11, 12, 20, 21];
  const { edges, newest } = toldOf(minutes.map((one) => ({ gate: 'gate-1', at: at(one), side: 'inside' })));
  await fleet.tell({ edges: edges.slice(1), newest });
  await fleet.until(25);
  assert.deepEqual(await judgedAt(), before);
  const heard = async () => (await fleet.rules.excursions('box-1')).rules[0]?.heard;
  assert.equal(await heard(), '2030-01-01T00:21:00.000Z');
  await fleet.until(50);
  assert.equal(await fleet.valueOf('box-1'), 'intact');
  await fleet.until(52);
  assert.equal(await fleet.valueOf('box-1'), 'unknown');
});

test('an excursion that one gate told of ends with what another one hears, though that tells no edge', async (context) => {
  const fleet = await shipmentWithTracker(context);
  await fleet.hear('in 0-2', { gate: 'gate-1' });
  await fleet.hear('out 3-4', { gate: 'gate-2' });
  await fleet.until(5);
  await fleet.hear('in 3', { gate: 'gate-1' });
  await fleet.hear('in 4-6', { gate: 'gate-1' });
  await fleet.until(8);
  const [view] = (await fleet.rules.excursions('box-1')).rules;
  assert.deepEqual(
    view?.excursions.map(({ to }) => to !== null),
    [true],
  );
});

test('bad input: a rule about an attribute that nobody has says nothing of anybody, however much is told', async (context) => {
  const fleet = await RuledFleet.open(context, [{ ...coldChain, about: 'attributes.nobody' }]);
  await fleet.put('tracker-1', 'device');
  await fleet.hear('out 0-60');
  await fleet.until(60);
  assert.deepEqual((await fleet.rules.breaches({ limit: 10, all: '1' })).items, []);
  assert.deepEqual(await fleet.actions(), ['rules.change']);
});
