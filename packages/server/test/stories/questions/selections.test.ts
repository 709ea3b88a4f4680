/** What an operator changes for all that an expression is true of, and what he is told before he does. */
import assert from 'node:assert/strict';
import { Agent } from 'node:https';
import { after, before, test } from 'node:test';
import { House, post } from '../../house.ts';

let house: House;
const agent = new Agent({ keepAlive: true });

before(async () => {
  house = await House.open();
  for (const [subject, attributes] of [
    ['truck-1', { status: 'active', site: 'berlin', level: 3 }],
    ['truck-2', { status: 'active', site: 'berlin', level: 1 }],
    ['truck-3', { status: 'active', site: 'kiel', level: 3 }],
    ['truck-4', { status: 'active' }],
  ] as const) {
    const pem = await house.pem(await house.device(subject, attributes));
    if (subject === 'truck-4') continue;
    const answer = await post(`${house.gateUrl}/v1/streams/telemetry/readings`, pem, '{"t":1}', {}, agent);
    assert.equal(answer.status, 202);
  }
});
after(async () => {
  agent.destroy();
  await house?.close();
});

interface Told {
  dryRun?: true;
  revision: number;
  changed: number;
  selected: number;
  looked: number;
  undecided: number;
  connections: number;
  connectionsClosed: number;
  gates: { gate: string; connections: number }[];
}

const told = async (...words: string[]) => (await house.json<Told>(...words))[0] as Told;
const inBerlin = ['--where', 'kind == "device" && site == "berlin"'];
const shownOf = async (subject: string, name: string) => {
  const [shown] = await house.json<{ attributes: Record<string, { value: unknown }> }>('subject', 'show', subject);
  return shown?.attributes[name]?.value;
};

test('a dry run says how many it would change and how many connections close, and changes nothing', async () => {
  const before = (await told('attribute', 'set', 'truck-4', 'seen=true')).revision;
  const seen = await told('attribute', 'set', ...inBerlin, 'status=off', '--dry-run');
  assert.deepEqual(
    [seen.dryRun, seen.selected, seen.changed, seen.connections, seen.gates],
    [true, 2, 2, 2, [{ gate: 'gate-1', connections: 2 }]],
  );
  // Of truck-4, and of the operator and the gate, which are no devices, it says neither or no.
  assert.ok(seen.undecided >= 1);
  const words = await house.portcullis('attribute', 'set', ...inBerlin, 'status=off', '--dry-run');
  assert.match(
    words.out,
    /^would change 2 subjects of the 2 that it selects, and would close 2 connections \(gate-1 2\); nothing was changed\n/,
  );
  assert.match(words.error, /the expression says neither, so it is not selected: /);
  assert.equal(await shownOf('truck-1', 'status'), 'active');
  assert.equal((await told('attribute', 'set', 'truck-4', 'seen=true')).revision, before);
  const harmless = await told('attribute', 'set', ...inBerlin, 'level:=9', '--dry-run');
  assert.deepEqual([harmless.changed, harmless.connections], [2, 0]);
  const named = await told('certificate', 'suspend', 'truck-3', '--dry-run');
  // Its certificate, and the token that it came by.
  assert.deepEqual([named.changed, named.connections], [2, 1]);
  assert.equal((await told('certificate', 'resume', 'truck-3', '--dry-run')).changed, 0);
});

test('it is one revision, on condition that nobody it found was touched since', async () => {
  const done = await told('attribute', 'set', ...inBerlin, 'status=off', '--wait');
  assert.deepEqual([done.selected, done.changed, done.connectionsClosed], [2, 2, 2]);
  for (const [subject, status] of [
    ['truck-1', 'off'],
    ['truck-2', 'off'],
    ['truck-3', 'active'],
  ] as const)
    assert.equal(await shownOf(subject, 'status'), status);
  const again = await told('attribute', 'set', ...inBerlin, 'status=off');
  assert.deepEqual([again.changed, again.revision], [0, done.revision]);
  const unset = await told('attribute', 'unset', '--where', 'has(attributes.level) && level < 2.0', 'level');
  assert.equal(unset.changed, 1);
  assert.equal(await shownOf('truck-2', 'level'), undefined);
});

test('the same for standings', async () => {
  const done = await told('certificate', 'suspend', '--where', 'id.startsWith("truck-") && site == "kiel"', '--wait');
  assert.deepEqual([done.selected, done.changed], [1, 2]);
  const back = await told('certificate', 'resume', '--where', 'has(attributes.site) && site == "kiel"');
  assert.equal(back.changed, 1);
});

test('nobody, too much at once, or what says nothing: told, and nothing is changed', async () => {
  const none = await house.portcullis('attribute', 'set', '--where', 'site == "nowhere"', 'status=off');
  assert.equal(none.status, 0);
  assert.match(none.out, /^nothing changed: no subject is selected of \d+\n/);
  const cases: [string[], RegExp][] = [
    [
      ['attribute', 'set', 'truck-1', ...inBerlin, 'a=b'],
      /name subjects, or give --where with an expression; do one of them/,
    ],
    [['attribute', 'set', 'a=b'], /there is no subject/],
    [['attribute', 'set', '--where', 'site ==', 'a=b'], /where: /],
    [['attribute', 'set', '--where', 'site + 1', 'a=b'], /where: .*can never (be evaluated|give a boolean)/],
    [['attribute', 'set', '--where', '[1].all(x, [2].all(y, x == y))', 'a=b'], /a loop within a loop is not allowed/],
    [['attribute', 'set', ...inBerlin, '--if-revision', '3', 'a=b'], /--where has a revision of its own/],
    [['certificate', 'suspend', '@/dev/null', '--dry-run'], /names no subject/],
    [['certificate', 'suspend'], /name subjects, or give --where/],
  ];
  for (const [words, error] of cases) {
    const refused = await house.portcullis(...words);
    assert.equal(refused.status, 2, words.join(' '));
    assert.match(refused.error, error);
  }
  const mistyped = await house.portcullis('certificate', 'suspend', '--where', '!has(attributes.siet)');
  assert.equal(mistyped.status, 1);
  assert.match(mistyped.error, /where: no attribute "siet" was ever set in this fleet/);
});
