import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { type AttributeValue, FeedMessage, type Standing } from '@portcullis/contract';
import fc from 'fast-check';
import { Replica } from './replica.ts';

const hash = 'a'.repeat(64);
const other = 'b'.repeat(64);
const fingerprintOf = (name: string) => createHash('sha256').update(name).digest();
const validity = { notBefore: '2020-01-01T00:00:00.000Z', notAfter: '2040-01-01T00:00:00.000Z' };
const origin = { changedBy: 'operator-1', changedAt: '2030-01-01T00:00:00.000Z' };

function receive(replica: Replica, message: unknown) {
  return replica.receive(FeedMessage.parse(message));
}

interface Known {
  standing: Standing;
  status: AttributeValue | null;
}

function change(revision: number, subject: string, { standing, status }: Known) {
  const certificate = { fingerprint: fingerprintOf(subject).toString('hex'), standing, ...validity };
  const delta = {
    subject,
    kind: 'device',
    attributes: { status: { value: status, public: true } },
    certificates: [certificate],
  };
  return { type: 'change', revision, hash, at: origin.changedAt, actor: origin.changedBy, subjects: [delta] };
}

function loaded(revision = 0): Replica {
  const replica = new Replica();
  receive(replica, { type: 'snapshot', fleet: 'fleet', revision, hash });
  receive(replica, { type: 'complete', revision, hash });
  return replica;
}

test('after any history it knows what a plain map knows', () => {
  const subject = fc.integer({ min: 0, max: 300 }).map((number) => `device-${number}`);
  const known = fc.record({
    standing: fc.constantFrom<Standing>('valid', 'suspended', 'revoked', 'superseded'),
    status: fc.oneof(
      fc.constant(null),
      fc.string({ maxLength: 20 }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
    ),
  });
  fc.assert(
    fc.property(fc.array(fc.tuple(subject, known), { maxLength: 400 }), (history) => {
      const replica = loaded();
      const plain = new Map<string, Known>();
      for (const [index, [name, one]] of history.entries()) {
        assert.equal(receive(replica, change(index + 1, name, one)).outcome, 'applied');
        plain.set(name, one);
      }
      assert.equal(replica.certificates, plain.size);
      for (const [name, one] of plain) {
        const row = replica.find(fingerprintOf(name));
        const subjectRow = replica.subjectOf(row);
        assert.equal(replica.subjectId(subjectRow), name);
        assert.equal(replica.standingOf(row), one.standing);
        assert.equal(replica.valueOf(subjectRow, 'status') ?? null, one.status);
        assert.deepEqual(replica.certificatesOf(subjectRow), [row]);
      }
      assert.equal(replica.find(fingerprintOf('nobody')), -1);
    }),
    { numRuns: 60 },
  );
});

test('a change is applied only if it is the next one: a gap asks for a snapshot, a repeat changes nothing', () => {
  const replica = loaded(5);
  const one = { standing: 'valid', status: 'active' } as const;
  assert.equal(receive(replica, change(7, 'a', one)).outcome, 'resync');
  assert.equal(replica.find(fingerprintOf('a')), -1);
  assert.equal(receive(replica, change(6, 'a', one)).outcome, 'applied');
  assert.equal(receive(replica, change(6, 'a', { standing: 'revoked', status: null })).outcome, 'nothing');
  assert.equal(replica.standingOf(replica.find(fingerprintOf('a'))), 'valid');
  assert.equal(replica.revision, 6);
});

test('a beat at another place than what was sent means that something is missing, or that the history is another', () => {
  const replica = loaded(5);
  const beat = (revision: number, of = hash) =>
    receive(replica, { type: 'beat', revision, hash: of, time: origin.changedAt }).outcome;
  assert.deepEqual([beat(5), beat(6), beat(4), beat(5, other)], ['nothing', 'resync', 'resync', 'resync']);
});

test('P12: a change that names another hash before it than what is held, or takes the place of what is held, is not applied', () => {
  const replica = loaded(5);
  const next = change(6, 'a', { standing: 'valid', status: 'active' });
  assert.equal(receive(replica, { ...next, previousHash: other }).outcome, 'resync');
  assert.deepEqual([replica.revision, replica.find(fingerprintOf('a'))], [5, -1]);
  assert.equal(receive(replica, { ...next, previousHash: hash }).outcome, 'applied');
  assert.equal(receive(replica, { ...next, hash: other, previousHash: hash }).outcome, 'resync');
  assert.equal(replica.revision, 6);
});

test('nothing is known before the snapshot is complete, and a new one takes the place of the old as a whole', () => {
  const replica = loaded(5);
  receive(replica, change(6, 'a', { standing: 'valid', status: 'active' }));
  receive(replica, { type: 'snapshot', fleet: 'fleet', revision: 9, hash });
  assert.notEqual(replica.find(fingerprintOf('a')), -1, 'the old one serves until the new one is whole');
  const generation = replica.generation;
  assert.equal(receive(replica, { type: 'complete', revision: 9, hash }).outcome, 'loaded');
  assert.equal(replica.find(fingerprintOf('a')), -1);
  assert.equal(replica.generation, generation + 1);
});

test('P10: a value and a standing remember by whom and when, and at which revision', () => {
  const replica = loaded();
  receive(replica, change(1, 'a', { standing: 'suspended', status: 'off' }));
  const row = replica.find(fingerprintOf('a'));
  assert.deepEqual(replica.attribute(replica.subjectOf(row), 'status'), {
    value: 'off',
    public: true,
    revision: 1,
    ...origin,
  });
  assert.deepEqual(replica.certificate(row), {
    ...{ subject: 'a', kind: 'device', standing: 'suspended' },
    ...{ notBefore: Date.parse(validity.notBefore), notAfter: Date.parse(validity.notAfter) },
    ...{ revision: 1, ...origin },
  });
});

const dayMs = 86_400_000;
const start = Date.parse('2030-01-01T00:00:00.000Z');

/** A subject whose certificates succeed each other, 20 days each, as a gate is told of it. */
class Renewing {
  readonly replica = loaded();
  now = start;

  certificate(name: string, number: number, standing: Standing, lifetimeMs = 30 * dayMs) {
    const from = start + number * 20 * dayMs;
    return {
      fingerprint: fingerprintOf(`${name} ${number}`).toString('hex'),
      ...{ standing, notBefore: new Date(from).toISOString(), notAfter: new Date(from + lifetimeMs).toISOString() },
    };
  }

  tell(subject: string, ...certificates: object[]): void {
    const { replica } = this;
    const head = { revision: replica.revision + 1, hash, at: new Date(this.now).toISOString(), actor: subject };
    receive(replica, { type: 'change', ...head, subjects: [{ subject, kind: 'device', certificates }] });
  }

  renew(name: string, number: number): void {
    this.now = start + number * 20 * dayMs;
    this.tell(name, this.certificate(name, number, 'valid'));
    this.tell(name, this.certificate(name, number - 1, 'superseded'));
  }

  wait(milliseconds: number): void {
    this.now += milliseconds;
    for (let beat = 0; beat < 3; beat++) this.replica.tend(this.now);
  }

  find(name: string, number: number): number {
    return this.replica.find(fingerprintOf(`${name} ${number}`));
  }
}

test('a renewal takes room for a day: after any number of them a subject has one certificate', () => {
  const fleet = new Renewing();
  fleet.tell('a', fleet.certificate('a', 0, 'valid'));
  for (let number = 1; number <= 12; number++) {
    fleet.wait(dayMs + 1_000);
    fleet.renew('a', number);
  }
  assert.equal(fleet.replica.certificates, 2);
  assert.equal(fleet.replica.standingOf(fleet.find('a', 11)), 'superseded', 'within the day it says why');
  assert.equal(fleet.replica.certificate(fleet.find('a', 11)).changedBy, 'a');
  fleet.wait(dayMs + 1_000);
  assert.equal(fleet.replica.certificates, 1);
  assert.deepEqual(fleet.replica.certificatesOf(fleet.replica.findSubject('a')), [fleet.find('a', 12)]);
  assert.equal(fleet.replica.standingOf(fleet.find('a', 12)), 'valid');
});

test('what ended a day ago is forgotten, whatever it was; what is valid, suspended or revoked stays until then', () => {
  const fleet = new Renewing();
  const standings = ['valid', 'suspended', 'revoked'] as const;
  for (const standing of standings) fleet.tell(standing, fleet.certificate(standing, 0, standing));
  fleet.wait(31 * dayMs - 1_000);
  assert.deepEqual(
    standings.map((standing) => fleet.replica.standingOf(fleet.find(standing, 0))),
    standings,
  );
  fleet.wait(2_000);
  assert.equal(fleet.replica.certificates, 0);
  for (const standing of standings) assert.equal(fleet.find(standing, 0), -1);
});

test('P3: the row of a forgotten certificate that was given to another makes a new generation', () => {
  const fleet = new Renewing();
  fleet.tell('a', fleet.certificate('a', 0, 'valid'));
  fleet.renew('a', 1);
  const [row, generation] = [fleet.find('a', 0), fleet.replica.generation];
  fleet.wait(dayMs + 1_000);
  fleet.tell('b', fleet.certificate('b', 1, 'valid'));
  assert.deepEqual([fleet.find('b', 1), fleet.find('a', 0)], [row, -1]);
  assert.equal(fleet.replica.generation, generation + 1);
  assert.equal(fleet.replica.certificate(row).subject, 'b');
});

test('P3: what is left of a fleet that shrank moves together, is what it was, and of a new generation', () => {
  const fleet = new Renewing();
  const { replica } = fleet;
  const names = Array.from({ length: 4_000 }, (_, index) => `d${index}`);
  const left = names.filter((_, index) => index % 4 === 3);
  for (const name of names) fleet.tell(name, fleet.certificate(name, 0, 'valid', 10 * dayMs));
  for (const name of left) fleet.tell(name, fleet.certificate(name, 1, 'suspended'));
  const facts = () => left.map((name) => replica.certificate(fleet.find(name, 1)));
  const [before, last, first] = [facts(), fleet.find('d3999', 1), replica.generation];
  fleet.wait(12 * dayMs);
  for (let beat = 0; beat < 10; beat++) fleet.wait(1_000);
  assert.equal(replica.certificates, left.length);
  assert.deepEqual(facts(), before);
  assert.ok(fleet.find('d3999', 1) < left.length && last > 4_000, 'the last row took the place of a forgotten one');
  const { generation } = replica;
  fleet.wait(1_000);
  assert.ok(generation >= first + 2, 'once for what was forgotten, and once for what moved');
  assert.equal(replica.generation, generation, 'and then it is done');
  for (const name of names) fleet.tell(name, fleet.certificate(name, 2, 'valid'));
  for (const [index, name] of names.entries()) {
    const own = [fleet.find(name, 2), ...(index % 4 === 3 ? [fleet.find(name, 1)] : [])];
    assert.deepEqual(replica.certificatesOf(replica.findSubject(name)), own);
  }
  assert.deepEqual(facts(), before);
});

test('certificates that come faster than they are looked at do not keep the round from beginning anew', () => {
  const fleet = new Renewing();
  fleet.tell('a', fleet.certificate('a', 0, 'superseded'));
  for (let number = 0; number < 12; number++) {
    fleet.now += dayMs / 8;
    fleet.tell(`b-${number}`, fleet.certificate(`b-${number}`, 0, 'valid'));
    fleet.replica.tend(fleet.now);
  }
  assert.equal(fleet.find('a', 0), -1);
});

test('after any renewals, and whenever it is tended, the certificates in use are known, each with its own subject', () => {
  const step = fc.record({ subject: fc.integer({ min: 0, max: 60 }), tends: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
      const fleet = new Renewing();
      const numbers = new Map<string, number>();
      for (const { subject, tends } of steps) {
        const name = `device-${subject}`;
        const number = (numbers.get(name) ?? -1) + 1;
        const lifetimeMs = 3_000 * dayMs;
        fleet.tell(name, fleet.certificate(name, number, 'valid', lifetimeMs));
        if (number > 0) fleet.tell(name, fleet.certificate(name, number - 1, 'superseded', lifetimeMs));
        numbers.set(name, number);
        fleet.now += dayMs / 2;
        if (tends) fleet.replica.tend(fleet.now);
      }
      for (const [name, number] of numbers) {
        const { subject, standing, changedBy } = fleet.replica.certificate(fleet.find(name, number));
        assert.deepEqual([subject, standing, changedBy], [name, 'valid', name]);
      }
      fleet.wait(2 * dayMs);
      assert.equal(fleet.replica.certificates, numbers.size);
    }),
    { numRuns: 40 },
  );
});
