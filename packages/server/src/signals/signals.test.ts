import assert from 'node:assert/strict';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { test } from 'node:test';
import { putCertificate, putSubject } from '../../test/records.ts';
import { alert, delivery, openScene, over, webhook } from '../../test/signals.ts';

const operator = { actor: 'operator-1' };
const minute = 60_000;
const all = { limit: 1_000 };

test('an alert that fires cuts at once: one revision, by its source, with the words of the reaction, and the journal names the hold', async (context) => {
  const scene = await openScene(context);
  const { revision, results } = await scene.signals.receive('plant', delivery(alert('truck-1')));
  assert.deepEqual(
    results.map(({ key, outcome }) => [key, outcome]),
    [['alert of truck-1', 'held']],
  );
  assert.equal(await scene.statusOf('truck-1'), 'quarantined');
  const change = await scene.journal.changeAt(revision as number);
  assert.deepEqual(
    [change?.actor, change?.action, change?.reason],
    ['alertmanager-1', 'signals.hold', 'alert Overheated'],
  );
  const [hold] = (change?.about?.holds ?? []) as Record<string, unknown>[];
  assert.deepEqual([hold?.hold, hold?.key, hold?.status], [results[0]?.hold, 'alert of truck-1', 'quarantined']);
});

test('the same alert again is the same hold: no revision, no entry, and the answer names the revision of the first', async (context) => {
  const scene = await openScene(context);
  const first = await scene.signals.receive('plant', delivery(alert('truck-1')));
  const { position } = scene.journal.head();
  const again = await scene.signals.receive('plant', delivery(alert('truck-1')));
  assert.deepEqual([again.revision, again.results[0]?.outcome], [first.revision, 'refreshed']);
  assert.equal(again.results[0]?.hold, first.results[0]?.hold);
  assert.equal(scene.journal.head().position, position);
});

test('"resolved" lifts nothing by itself, and a person does, with a reason', async (context) => {
  const scene = await openScene(context);
  await scene.signals.receive('plant', delivery(alert('truck-1')));
  const said = await scene.signals.receive('plant', delivery(over('truck-1')));
  assert.equal(said.results[0]?.outcome, 'resolved');
  scene.clock.now += 1_000 * minute;
  await scene.signals.look();
  assert.equal(await scene.statusOf('truck-1'), 'quarantined');
  const [hold] = (await scene.signals.list(all)).items;
  assert.deepEqual([hold?.state, hold?.alert.state, hold?.until], ['in_force', 'claimed_resolved', 'person']);
  const { revision, changed } = await scene.signals.release(operator, {
    subject: hold?.subject,
    reason: 'looked at it',
  });
  assert.equal(changed, 1);
  assert.equal(await scene.statusOf('truck-1'), 'active');
  assert.equal((await scene.journal.changeAt(revision))?.reason, 'looked at it');
  assert.deepEqual((await scene.signals.list(all)).items, []);
});

test('what a person released stays so while its sender repeats itself, and is held again when the alert fires anew', async (context) => {
  const scene = await openScene(context);
  await scene.signals.receive('plant', delivery(alert('truck-1')));
  await scene.signals.release(operator, { subject: 'truck-1' as never, reason: 'known' });
  const { results } = await scene.signals.receive('plant', delivery(alert('truck-1')));
  assert.deepEqual([results[0]?.outcome, results[0]?.reason], ['repeated', 'its hold was ended by operator-1']);
  assert.equal(await scene.statusOf('truck-1'), 'active');
  await scene.signals.receive('plant', delivery(over('truck-1')));
  const anew = await scene.signals.receive('plant', delivery(alert('truck-1')));
  assert.equal(anew.results[0]?.outcome, 'held');
  assert.equal(await scene.statusOf('truck-1'), 'quarantined');
});

test('two alerts hold one device: when one ends it stays held, and the end of the last one brings back the value underneath', async (context) => {
  const scene = await openScene(context);
  await scene.signals.receive('plant', delivery(alert('truck-1', { key: 'a' }), alert('truck-1', { key: 'b' })));
  const holds = (await scene.signals.list(all)).items;
  assert.deepEqual(holds.map(({ state }) => state).toSorted(), ['beside', 'in_force']);
  await scene.signals.release(operator, { hold: holds[0]?.hold, reason: 'one' });
  assert.equal(await scene.statusOf('truck-1'), 'quarantined');
  const { revision } = await scene.signals.release(operator, { hold: holds[1]?.hold, reason: 'the other' });
  assert.equal(await scene.statusOf('truck-1'), 'active');
  assert.equal(scene.journal.head().revision, revision, 'in one revision');
});

test('while it is held an operator sets the value underneath; with --release the holds end in the same revision', async (context) => {
  const scene = await openScene(context);
  await scene.signals.receive('plant', delivery(alert('truck-1')));
  const subjects = ['truck-1' as never];
  const set = { status: 'degraded' } as never;
  const asked = () =>
    scene.attributes.change(operator, { subjects, set }, (change) => scene.signals.keepStrict(change, subjects, set));
  const { revision } = await asked();
  assert.equal(await scene.statusOf('truck-1'), 'quarantined');
  assert.equal((await asked()).changed, 0);
  assert.equal(scene.journal.head().revision, revision, 'said again it changes nothing');
  assert.deepEqual(
    (await scene.signals.heldBy(subjects, ['status'])).map(({ source }) => source),
    ['plant'],
  );
  const done = await scene.attributes.change(operator, { subjects, set }, (change) =>
    scene.signals.letGo(change, subjects, ['status']),
  );
  assert.equal(await scene.statusOf('truck-1'), 'degraded');
  assert.equal(done.revision, scene.journal.head().revision);
  assert.deepEqual(await scene.signals.heldBy(subjects, ['status']), []);
});

const twoLevels = `
  plant:
    certificate: alertmanager-1
    format: alertmanager
    may: { attributes: { status: [quarantined, degraded] } }
    reactions:
      - { on: 'alert.labels.severity == "warning"', subject: alert.labels.device, hold: { status: degraded } }
      - { on: 'alert.labels.severity == "critical"', subject: alert.labels.device, hold: { status: quarantined } }
`;
const warning = (device: string) => alert(device, { key: 'warning', labels: { severity: 'warning', device } });

test('the strictest hold is in force by the declared order, and a stricter value underneath is not loosened by a hold', async (context) => {
  const scene = await openScene(context, { signals: twoLevels });
  await scene.signals.receive('plant', delivery(warning('truck-1')));
  assert.equal(await scene.statusOf('truck-1'), 'degraded');
  await scene.signals.receive('plant', delivery(alert('truck-1')));
  assert.equal(await scene.statusOf('truck-1'), 'quarantined');
  await scene.attributes.change(operator, { subjects: ['truck-2' as never], set: { status: 'quarantined' } as never });
  await scene.signals.receive(
    'plant',
    delivery(alert('truck-2', { key: 'other', labels: { severity: 'warning', device: 'truck-2' } })),
  );
  assert.equal(await scene.statusOf('truck-2'), 'quarantined');
  await scene.signals.receive(
    'plant',
    delivery(alert('truck-3', { key: 'third', labels: { severity: 'warning', device: 'truck-3' } })),
  );
  const subjects = ['truck-3' as never];
  const set = { status: 'quarantined' } as never;
  await scene.attributes.change(operator, { subjects, set }, (change) =>
    scene.signals.keepStrict(change, subjects, set),
  );
  assert.equal(await scene.statusOf('truck-3'), 'quarantined');
  await scene.signals.release(operator, { subject: 'truck-3' as never, reason: 'over' });
  assert.equal(await scene.statusOf('truck-3'), 'quarantined');
});

test('without an order the older hold stays in force, and the other is shown beside it and rings', async (context) => {
  const scene = await openScene(context, { signals: twoLevels, attributes: '{}' });
  await scene.signals.receive('plant', delivery(warning('truck-1')));
  scene.clock.now += 1;
  await scene.signals.receive('plant', delivery(alert('truck-1')));
  assert.equal(await scene.statusOf('truck-1'), 'degraded');
  const [, beside] = (await scene.signals.list(all)).items;
  assert.deepEqual([beside?.state, beside?.value], ['beside', 'quarantined']);
  assert.match(scene.rung[0]?.says ?? '', /declares no order of the two/);
});

test('a reaction suspends by a hold on the standing: what an operator says of it goes underneath, and comes with its end', async (context) => {
  const signals = twoLevels
    .replace('{ attributes:', '{ standings: [suspend], attributes:')
    .replace('hold: { status: quarantined }', 'suspend: true');
  const scene = await openScene(context, { signals });
  const fingerprint = await putCertificate(scene, 'truck-1', 'of truck-1');
  const standing = async () => (await scene.revocation.find(fingerprint))?.standing;
  await scene.signals.receive('plant', delivery(alert('truck-1'), alert('truck-1', { key: 'second' })));
  assert.equal(await standing(), 'suspended');
  await scene.revocation.change(operator, { action: 'resume', subject: 'truck-1' as never });
  assert.equal(await standing(), 'suspended');
  const held = await scene.signals.heldBy(['truck-1'], ['']);
  assert.deepEqual([held.length, held[0]?.attribute], [2, null]);
  await scene.signals.release(operator, { hold: held[0]?.hold, reason: 'one' });
  assert.equal(await standing(), 'suspended');
  await scene.signals.release(operator, { hold: held[1]?.hold, reason: 'two' });
  assert.equal(await standing(), 'valid');
});

const refusals: [string, ReturnType<typeof alert>, RegExp][] = [
  ['a subject that the fleet does not have', alert('truck-99'), /the fleet has no subject "truck-99"/],
  ['a subject of a kind that it may not hold', alert('gate-9'), /it may not hold a gate/],
  ['a name that can not be an id', alert('Truck 1'), /"Truck 1" is no id/],
  [
    'a mapping that fails',
    alert('truck-1', { labels: { severity: 'critical' } }),
    /"subject" of reaction 0 can not be evaluated/,
  ],
  [
    'a condition that fails',
    alert('truck-1', { labels: { device: 'truck-1' } }),
    /"on" of reaction 0 can not be evaluated/,
  ],
  ['a text that its reader refused', alert('truck-1', { bad: 'it holds NUL' }), /it holds NUL/],
  ['more than is looked at', alert('truck-1', { annotations: { long: 'x'.repeat(70_000) } }), /at most 65536/],
];
for (const [title, bad, why] of refusals) {
  test(`${title}: nothing changes, it is recorded and rings once, and what is beside it is taken`, async (context) => {
    const scene = await openScene(context);
    await putSubject(scene, 'gate-9', 'gate');
    const before = scene.journal.head();
    const { revision, results } = await scene.signals.receive('plant', delivery(bad));
    assert.deepEqual([revision, results[0]?.outcome], [null, 'refused']);
    assert.match(results[0]?.reason ?? '', why);
    const [entry] = await scene.journal.entries(before.position, 10);
    assert.deepEqual([entry?.action, entry?.revision], ['signals.refuse', null]);
    assert.match(JSON.stringify(entry?.body), new RegExp(bad.key));
    await scene.signals.receive('plant', delivery(bad, alert('truck-2')));
    assert.equal(scene.rung.filter(({ kind }) => kind === 'signal_refused').length, 1);
    assert.equal(scene.journal.head().revision, before.revision + 1);
    assert.equal(await scene.statusOf('truck-2'), 'quarantined');
    assert.equal(await scene.statusOf('truck-1'), 'active');
  });
}

test('what was refused and is well then is no alarm any more', async (context) => {
  const scene = await openScene(context);
  await scene.signals.receive('plant', delivery(alert('truck-9')));
  await putSubject(scene, 'truck-9');
  assert.equal((await scene.signals.receive('plant', delivery(alert('truck-9')))).results[0]?.outcome, 'held');
  assert.deepEqual(scene.settled, ['signal_refused plant/alert of truck-9']);
});

test('what no reaction matches is an answer of its own, counted and shown', async (context) => {
  const scene = await openScene(context);
  const { results } = await scene.signals.receive(
    'plant',
    delivery(alert('truck-1', { labels: { severity: 'info' } })),
  );
  assert.equal(results[0]?.outcome, 'no_reaction');
  assert.deepEqual(scene.rung, []);
  const [source] = await scene.signals.sources();
  assert.deepEqual([source?.outcomes, source?.unmatched?.key], [{ no_reaction: 1 }, 'alert of truck-1']);
});

test('beyond its limit a source cuts nobody: holds wait for a person, loudly, over a restart too, and one word brings them into force', async (context) => {
  const signals = twoLevels.replace('reactions:', 'limit: 2 in 10m\n    reactions:');
  const scene = await openScene(context, { signals });
  const { results } = await scene.signals.receive(
    'plant',
    delivery(alert('truck-1'), alert('truck-2'), alert('truck-3')),
  );
  assert.deepEqual(
    results.map(({ outcome }) => outcome),
    ['held', 'held', 'waiting'],
  );
  assert.equal(await scene.statusOf('truck-3'), 'active');
  assert.match(scene.rung[0]?.says ?? '', /more than 2 subjects within 600 s/);
  await scene.signals.release(operator, { subject: 'truck-1' as never, reason: 'so that it could be another' });
  await scene.restart();
  const again = await scene.signals.receive('plant', delivery(alert('truck-3')));
  assert.equal(again.results[0]?.outcome, 'waiting');
  const { changed } = await scene.signals.apply(operator, { subject: 'truck-3' as never, reason: 'it is so' });
  assert.deepEqual([changed, await scene.statusOf('truck-3')], [1, 'quarantined']);
  assert.ok(scene.settled.includes('signal_limit plant'));
  await putSubject(scene, 'truck-4');
  assert.equal((await scene.signals.receive('plant', delivery(alert('truck-4')))).results[0]?.outcome, 'waiting');
  scene.clock.now += 11 * minute;
  await putSubject(scene, 'truck-5');
  assert.equal((await scene.signals.receive('plant', delivery(alert('truck-5')))).results[0]?.outcome, 'held');
});

test('a value of another type than the name has in the fleet is refused by itself, and the rest of the delivery is carried out', async (context) => {
  const signals = twoLevels.replaceAll('degraded', '7');
  const scene = await openScene(context, { signals, attributes: '{}' });
  const { results } = await scene.signals.receive('plant', delivery(warning('truck-1'), alert('truck-2')));
  assert.deepEqual(
    results.map(({ outcome }) => outcome),
    ['refused', 'held'],
  );
  assert.match(results[0]?.reason ?? '', /is a string in this fleet/);
  assert.deepEqual([await scene.statusOf('truck-1'), await scene.statusOf('truck-2')], ['active', 'quarantined']);
});

test('a retired subject is held by nothing new, and its holds end without a word to gates', async (context) => {
  const scene = await openScene(context);
  await scene.signals.receive('plant', delivery(alert('truck-1')));
  await scene.revocation.retire(operator, 'truck-1');
  assert.equal(
    (await scene.signals.receive('plant', delivery(alert('truck-1', { key: 'other' })))).results[0]?.outcome,
    'refused',
  );
  await scene.signals.release(operator, { subject: 'truck-1' as never, reason: 'gone' });
  assert.deepEqual((await scene.signals.list(all)).items, []);
});

test('a trial says what would happen, and changes nothing', async (context) => {
  const scene = await openScene(context);
  const { position } = scene.journal.head();
  const { results } = await scene.signals.trial('plant', {
    headers: {},
    raw: webhook(alert('truck-1'), alert('truck-99'), over('truck-2')),
  });
  assert.deepEqual(
    results.map(({ outcome }) => outcome),
    ['held', 'refused', 'no_reaction'],
  );
  assert.deepEqual(results[0]?.would, [
    { subject: 'truck-1', attribute: 'status', value: 'quarantined', until: 'person' },
  ]);
  assert.equal(scene.journal.head().position, position);
  assert.deepEqual([(await scene.signals.list(all)).items, scene.rung], [[], []]);
});

test('an unknown source and an unknown hold are named', async (context) => {
  const scene = await openScene(context);
  await assert.rejects(async () => scene.signals.receive('other', delivery()), { code: 'signal_unknown' });
  await assert.rejects(scene.signals.release(operator, { subject: 'truck-1' as never, reason: 'why' }), {
    code: 'hold_unknown',
  });
});

test('5 000 alerts in one delivery: one revision, each has its answer, few ring, and everybody else gets turns', async (context) => {
  const scene = await openScene(context);
  const held = Array.from({ length: 600 }, (_, index) => `van-${index}`);
  await scene.journal.change({ actor: 'operator-1', action: 'tokens.create' }, async (change) => {
    for (const subject of held)
      await scene.attributes.ensure(change, { subject, kind: 'device', attributes: { status: 'active' } });
  });
  const others = Array.from({ length: 2_200 }, (_, index) => alert(`nobody-${index}`));
  const unmatched = Array.from({ length: 2_200 }, (_, index) => alert(`${index}`, { labels: { severity: 'info' } }));
  const gaps = monitorEventLoopDelay({ resolution: 5 });
  gaps.enable();
  const before = scene.journal.head().revision;
  const { revision, results } = await scene.signals.receive(
    'plant',
    delivery(...held.map((one) => alert(one)), ...others, ...unmatched),
  );
  gaps.disable();
  assert.equal(revision, before + 1);
  const counts = Map.groupBy(results, ({ outcome }) => outcome);
  assert.deepEqual(
    [results.length, ...['held', 'refused', 'no_reaction'].map((one) => counts.get(one as 'held')?.length)],
    [5_000, 600, 2_200, 2_200],
  );
  assert.equal(await scene.statusOf('van-599'), 'quarantined');
  assert.equal(scene.rung.length, 21);
  assert.ok(gaps.max / 1e6 < 600, `the event loop was held for ${gaps.max / 1e6} ms, an eighth of a lease is 600 ms`);
});
