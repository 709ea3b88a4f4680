import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StreamName, ToldRule } from '@portcullis/contract';
import { FedReplica, fingerprintNamed } from '../../../test/fed-replica.ts';
import { createLog } from '../../telemetry/telemetry.ts';
import { Bearer } from '../connections/bearer.ts';
import { tracedReading } from '../policy/traced-reading.ts';
import { Gaps } from './gaps.ts';
import { Watching } from './watching.ts';

const usual = {
  outside: 'reading.temperature > 8.0 || reading.temperature < 2.0',
  inside: 'reading.temperature <= 7.5 && reading.temperature >= 2.5',
};
const rule = (name: string, more: Partial<ToldRule> = {}): ToldRule => ({
  ...{ rule: name, revision: 3, streams: ['cold' as StreamName], ...usual },
  ...more,
});

function open(known: string[] = []) {
  const fed = new FedReplica();
  fed.change([
    {
      subject: 'tracker-1',
      attributes: { limit: { value: 6 }, site: { value: 'berlin' } },
      certificates: [{ fingerprint: fingerprintNamed('tracker-1') }],
    },
  ]);
  const lines: Record<string, unknown>[] = [];
  const log = createLog(
    { role: 'gate', level: 'info' },
    { write: (line: string) => void lines.push(JSON.parse(line)) },
  );
  const gaps = new Gaps(() => 1_000);
  const carried = new Set(known);
  const waiting = { count: 0 };
  const watching = new Watching({
    ...{ replica: fed.replica, gaps, log },
    carries: (names) => names.every((name) => carried.has(name)),
    onWaiting: () => void waiting.count++,
  });
  const bearer = new Bearer(Buffer.from(fingerprintNamed('tracker-1'), 'hex'));
  const sides = (...data: Record<string, unknown>[]) =>
    Object.fromEntries(watching.watchedOf(bearer, 'cold', data).map((one) => [one.rule, one.sides]));
  return { fed, watching, gaps, carried, waiting, lines, bearer, sides };
}

test('a reading is outside, inside, between the two, or can not be said to be either', () => {
  const { watching, gaps, sides, bearer } = open();
  watching.take({
    revision: 3,
    rules: [
      rule('cold-chain'),
      rule('plain', { inside: null }),
      rule('elsewhere', { streams: ['warm' as StreamName] }),
    ],
  });
  const data = [{ temperature: 9 }, { temperature: 8 }, { temperature: 5 }, { temperature: 'warm' }, {}];
  assert.deepEqual(sides(...data), { 'cold-chain': 'obi--', plain: 'oii--' });
  assert.deepEqual(gaps.first(), [
    { subject: 'tracker-1', stream: 'cold', reason: 'condition_failed', at: '1970-01-01T00:00:01.000Z' },
  ]);
  assert.deepEqual(watching.watchedOf(bearer, 'other', data), []);
  assert.deepEqual(watching.watchedOf(new Bearer(undefined), 'cold', data), [], 'nobody is watched who is not known');
});

test('a number that a double can not hold shows nothing', () => {
  const { watching, gaps, sides } = open();
  watching.take({ revision: 3, rules: [rule('cold-chain')] });
  const reading = tracedReading('{"temperature":5.00000000000000000001}');
  assert.deepEqual(sides(reading, tracedReading('{"temperature":5,"raw":9007199254740993}')), { 'cold-chain': '-i' });
  assert.equal(gaps.first()[0]?.reason, 'number_inexact');
});

test('a rule that can not be compiled is refused aloud and counted, and the others stand', () => {
  const { watching, lines, sides } = open();
  const bad = [
    rule('endless', { outside: 'reading.a.all(x, reading.b.all(y, x < y))' }),
    rule('other-language', { inside: 'reading.temperature <' }),
    rule('backtracking', { outside: 'reading.name.matches("(a+)+$")' }),
  ];
  watching.take({ revision: 3, rules: [...bad, rule('cold-chain')] });
  assert.deepEqual([watching.inForce, watching.refused], [1, 3]);
  assert.deepEqual(sides({ temperature: 5 }), { 'cold-chain': 'i' });
  const said = () => lines.filter(({ level }) => level === 50 || level === 'error').map(({ msg }) => String(msg));
  assert.equal(said().length, 3);
  assert.match(said()[1] ?? '', /rule "other-language" is not watched here: inside: .*expecting/);
  // They come with each connection of the feed.
  watching.take({ revision: 3, rules: [...bad, rule('cold-chain')] });
  assert.equal(said().length, 3, 'once');
});

test('a rule is in force once the replica knows what it names, and sees it as it is then', () => {
  const { fed, watching, carried, waiting, sides } = open();
  const byLimit = rule('by-limit', { outside: 'reading.temperature > double(attributes.limit)', inside: null });
  watching.take({ revision: 3, rules: [byLimit, rule('cold-chain')] });
  assert.deepEqual(watching.attributes, ['limit']);
  assert.deepEqual([watching.inForce, waiting.count], [1, 1]);
  assert.deepEqual(sides({ temperature: 7 }), { 'cold-chain': 'i' });
  carried.add('limit');
  watching.settle();
  assert.deepEqual([watching.inForce, waiting.count], [2, 1]);
  assert.deepEqual(sides({ temperature: 7 }), { 'by-limit': 'o', 'cold-chain': 'i' });
  fed.change([{ subject: 'tracker-1', attributes: { limit: { value: 7.5 } } }]);
  assert.equal(sides({ temperature: 7 })['by-limit'], 'i');
  fed.change([{ subject: 'tracker-1', attributes: { limit: { value: null } } }]);
  assert.equal(sides({ temperature: 7 })['by-limit'], '-', 'whose limit nobody knows is not inside');
});

test('all rules are replaced by the next ones', () => {
  const { watching, sides, bearer } = open();
  watching.take({ revision: 3, rules: [rule('cold-chain'), rule('frost')] });
  assert.equal(watching.hasWatched, false);
  assert.deepEqual(sides({ temperature: 5 }), { 'cold-chain': 'i', frost: 'i' });
  watching.take({ revision: 4, rules: [rule('cold-chain', { revision: 4, outside: 'reading.temperature > 4' })] });
  assert.deepEqual(watching.watchedOf(bearer, 'cold', [{ temperature: 5 }]), [
    { rule: 'cold-chain', revision: 4, sides: 'o' },
  ]);
  watching.take({ revision: 5, rules: [] });
  assert.deepEqual(sides({ temperature: 5 }), {});
  assert.equal(watching.hasWatched, true, 'what was found may not be told yet');
});

test('the last refusal of a sender on a watched stream is why nothing comes of it', () => {
  const { watching, gaps } = open();
  watching.take({ revision: 3, rules: [rule('cold-chain')] });
  watching.refusedOn('cold', 'tracker-1', 'attribute_missing');
  watching.refusedOn('cold', 'tracker-1', 'certificate_suspended');
  watching.refusedOn('other', 'tracker-1', 'attribute_missing');
  watching.refusedOn('cold', '', 'certificate_unknown');
  const told = gaps.first();
  assert.deepEqual(
    told.map(({ reason }) => reason),
    ['certificate_suspended'],
  );
  watching.refusedOn('cold', 'tracker-1', 'attribute_missing');
  gaps.told(told);
  assert.deepEqual(
    gaps.first().map(({ reason }) => reason),
    ['attribute_missing'],
    'what came since is told too',
  );
  gaps.told(gaps.first());
  assert.equal(gaps.size, 0);
  for (let sender = 0; sender < 10_500; sender++) watching.refusedOn('cold', `tracker-${sender}`, 'attribute_missing');
  assert.equal(gaps.size, 10_000);
  assert.equal(gaps.first()[0]?.subject, 'tracker-500');
});
