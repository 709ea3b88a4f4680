import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AttributeValue, FeedMessage } from '@portcullis/contract';
import fc from 'fast-check';
import { Replica } from './replica.ts';

const hashOf = (revision: number) => String(revision).padStart(64, '0');
const draft = 'd'.repeat(32);
const at = '2030-01-01T00:00:00.000Z';

type Values = Record<string, AttributeValue | null>;
type Changed = [subject: string, values: Values][];

const deltas = (changed: Changed) =>
  changed.map(([subject, values]) => ({
    subject,
    kind: 'device',
    attributes: Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value, public: false }])),
  }));

/** A replica, and the authority's side of its feed. */
class Fed {
  readonly replica = new Replica();

  constructor() {
    this.receive({ type: 'snapshot', fleet: 'fleet', revision: 0, hash: hashOf(0) });
    this.receive({ type: 'complete', revision: 0, hash: hashOf(0) });
  }

  receive(message: unknown) {
    return this.replica.receive(FeedMessage.parse(message));
  }

  change(changed: Changed, bulk?: { id: string; parts: number }, actor = 'operator-1') {
    const revision = this.replica.revision + 1;
    const chained = { revision, hash: hashOf(revision), previousHash: hashOf(revision - 1) };
    return this.receive({ type: 'change', ...chained, at, actor, subjects: deltas(changed), draft: bulk });
  }

  part(number: number, changed: Changed, id = draft) {
    return this.receive({ type: 'part', draft: id, number, subjects: deltas(changed) });
  }

  /** All that is known of these subjects. */
  state(subjects: readonly string[]) {
    return subjects.map((subject) => {
      const row = this.replica.findSubject(subject);
      if (row === -1) return [subject, -1];
      const names = ['status', 'site'];
      const facts = names.map((name) => [this.replica.attribute(row, name), this.replica.attributeOrigin(row, name)]);
      return [subject, this.replica.subjectRevision(row), facts, this.replica.attributesOf(row)];
    });
  }

  status(subject: string) {
    return this.replica.valueOf(this.replica.findSubject(subject), 'status');
  }
}

test('P7: nothing of a bulk change is judged by before its revision, and all of it from then on', () => {
  const fed = new Fed();
  fed.change([
    ['a', { status: 'active' }],
    ['b', { status: 'active' }],
    ['c', { status: 'active' }],
  ]);
  fed.part(1, [['a', { status: 'off' }]]);
  fed.part(2, [['b', { status: null }]]);
  assert.deepEqual(
    ['a', 'b', 'c'].map((id) => fed.status(id)),
    ['active', 'active', 'active'],
  );
  assert.equal(fed.receive({ type: 'prepared', draft, parts: 2 }).outcome, 'prepared');
  const { outcome, touched } = fed.change([], { id: draft, parts: 2 });
  assert.deepEqual([outcome, touched.length], ['applied', 2]);
  assert.deepEqual(
    ['a', 'b', 'c'].map((id) => fed.status(id)),
    ['off', undefined, 'active'],
  );
  assert.equal(fed.replica.attributeOrigin(fed.replica.findSubject('b'), 'status')?.revision, 2);
  while (fed.replica.mergeSome(1));
  assert.deepEqual(
    ['a', 'b', 'c'].map((id) => fed.status(id)),
    ['off', undefined, 'active'],
  );
});

test('a bulk change that is not wholly here is not applied: it asks anew', () => {
  const parts = (fed: Fed) => fed.part(1, [['a', { status: 'off' }]]);
  const cases: [string, (fed: Fed) => unknown][] = [
    ['no part', () => undefined],
    ['a part too few', (fed) => parts(fed)],
    ['another draft', (fed) => [fed.part(1, [], 'e'.repeat(32)), fed.part(2, [], 'e'.repeat(32))]],
    ['dropped', (fed) => [parts(fed), fed.part(2, []), fed.receive({ type: 'dropped', draft })]],
    ['its connection ended', (fed) => [parts(fed), fed.part(2, []), fed.replica.dropStaged()]],
  ];
  for (const [what, before] of cases) {
    const fed = new Fed();
    fed.change([['a', { status: 'active' }]]);
    before(fed);
    assert.equal(fed.change([], { id: draft, parts: 2 }).outcome, 'resync', what);
    assert.equal(fed.status('a'), 'active', what);
  }
  const fed = new Fed();
  assert.equal(fed.part(2, []).outcome, 'resync', 'from the second part on');
  const certificates = [{ fingerprint: 'a'.repeat(64), standing: 'valid', notBefore: at, notAfter: at }];
  const subjects = [{ subject: 'a', kind: 'device', certificates }];
  assert.equal(fed.receive({ type: 'part', draft, number: 1, subjects }).outcome, 'resync', 'certificates in a part');
});

test('it says which bulk change it holds, also after other changes, until that is in force, dropped or begun anew', () => {
  const fed = new Fed();
  fed.change([['a', { status: 'active' }]]);
  fed.part(1, [['a', { status: 'off' }]]);
  assert.equal(fed.replica.holds, undefined);
  fed.receive({ type: 'prepared', draft, parts: 1 });
  assert.equal(fed.replica.holds, draft);
  fed.change([['b', { status: 'active' }]]);
  assert.equal(fed.replica.holds, draft, 'a single change in between');
  fed.change([], { id: draft, parts: 1 });
  assert.equal(fed.replica.holds, undefined);
  fed.part(1, []);
  fed.receive({ type: 'prepared', draft, parts: 1 });
  fed.receive({ type: 'dropped', draft });
  assert.equal(fed.replica.holds, undefined);
});

test('what a draft used is given back when it is dropped, and a snapshot forgets it', () => {
  const fed = new Fed();
  fed.change([['a', { status: 'active' }]]);
  fed.part(1, [['a', { status: 'off' }]]);
  fed.receive({ type: 'dropped', draft });
  fed.part(1, [['a', { status: 'off' }]]);
  fed.receive({ type: 'snapshot', fleet: 'fleet', revision: 5, hash: hashOf(5) });
  fed.receive({ type: 'complete', revision: 5, hash: hashOf(5) });
  assert.equal(fed.change([], { id: draft, parts: 1 }).outcome, 'resync');
});

const subject = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const values = fc.dictionary(
  fc.constantFrom('status', 'site'),
  fc.oneof(fc.constantFrom<AttributeValue | null>('active', 'off', null, 7)),
  { minKeys: 1 },
);
const changed = fc.uniqueArray(fc.tuple(subject, values), { selector: ([id]) => id, maxLength: 5 });
const step = fc.oneof(
  fc.record({ does: fc.constant('change' as const), changed }),
  fc.record({ does: fc.constant('bulk' as const), parts: fc.array(changed, { minLength: 1, maxLength: 3 }), changed }),
  fc.record({ does: fc.constant('merge' as const), rows: fc.nat(3) }),
);

test('a change in parts, whenever its rows are merged, leads where the same in one line does', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const [one, other] = [new Fed(), new Fed()];
      const all = ['a', 'b', 'c', 'd', 'e'];
      for (const each of steps) {
        if (each.does === 'merge') {
          one.replica.mergeSome(each.rows);
          continue;
        }
        if (each.does === 'change') for (const fed of [one, other]) fed.change(each.changed as Changed);
        else {
          for (const [index, part] of each.parts.entries()) one.part(index + 1, part as Changed);
          one.change(each.changed as Changed, { id: draft, parts: each.parts.length });
          const whole = new Map<string, Values>();
          for (const [id, set] of [...each.parts.flat(), ...each.changed] as Changed)
            whole.set(id, { ...whole.get(id), ...set });
          other.change([...whole]);
        }
        assert.deepEqual(one.state(all), other.state(all));
      }
      while (one.replica.mergeSome(2));
      assert.deepEqual(one.state(all), other.state(all));
    }),
    { numRuns: 500 },
  );
});

test('what is tried is tried over a bulk change that is in force, which stays so and is merged no sooner', () => {
  const fed = new Fed();
  fed.change([
    ['a', { status: 'active', site: 'kiel' }],
    ['b', { status: 'active' }],
  ]);
  fed.part(1, [
    ['a', { status: 'off', site: 'bonn' }],
    ['b', { status: 'off' }],
  ]);
  fed.change([], { id: draft, parts: 1 });
  const { replica } = fed;
  const row = replica.findSubject('a');
  const before = fed.state(['a', 'b']);
  for (let count = 0; count < 100; count++) {
    const values = { status: 'lost', [`tried-${count}`]: true };
    const seen = replica.trying(deltas([['a', values]]) as never, () => replica.attributesOf(row));
    assert.deepEqual(seen, { ...values, site: 'bonn' });
  }
  assert.deepEqual(fed.state(['a', 'b']), before);
  assert.equal(replica.mergeSome(1), true, 'the other row is still to be merged');
});
