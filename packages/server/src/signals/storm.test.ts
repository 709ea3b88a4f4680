/** Many alerts of one device: what they cost, and how often they ring. */
import assert from 'node:assert/strict';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { test } from 'node:test';
import { alert, delivery, openScene } from '../../test/signals.ts';

const twoLevels = `
  plant:
    certificate: alertmanager-1
    format: alertmanager
    may: { attributes: { status: [quarantined, degraded] } }
    reactions:
      - { on: 'alert.labels.severity == "warning"', subject: alert.labels.device, hold: { status: degraded } }
      - { on: 'alert.labels.severity == "critical"', subject: alert.labels.device, hold: { status: quarantined } }
`;
const many = (count: number) => Array.from({ length: count }, (_, index) => alert('truck-1', { key: `${index}` }));

test('600 alerts of one device beside a hold, without an order: few ring, and everybody else gets turns', async (context) => {
  const scene = await openScene(context, { signals: twoLevels, attributes: '{}' });
  await scene.signals.receive(
    'plant',
    delivery(alert('truck-1', { key: 'warning', labels: { severity: 'warning', device: 'truck-1' } })),
  );
  scene.clock.now += 1;
  const gaps = monitorEventLoopDelay({ resolution: 5 });
  gaps.enable();
  const { results } = await scene.signals.receive('plant', delivery(...many(600)));
  gaps.disable();
  assert.equal(results.length, 600);
  assert.equal(scene.rung.length, 21);
  assert.match(scene.rung.at(-1)?.says ?? '', /more holds .* declares no order/);
  assert.ok(gaps.max / 1e6 < 600, `the event loop was held for ${gaps.max / 1e6} ms, an eighth of a lease is 600 ms`);
});

const lasting = (until: string) => twoLevels.replaceAll('hold: {', `until: ${until}, hold: {`);
const all = { limit: 1_000 };

test('300 alerts of one device: a hundred are kept apart, one of them stands for the rest until a person ends it, and a stricter value is held beside them', async (context) => {
  const scene = await openScene(context, { signals: lasting('resolved') });
  const warnings = many(300).map((one) => ({ ...one, labels: { severity: 'warning', device: 'truck-1' } }));
  const { revision, results } = await scene.signals.receive('plant', delivery(...warnings));
  const outcomes = Map.groupBy(results, ({ outcome }) => outcome);
  assert.deepEqual([outcomes.get('held')?.length, outcomes.get('refreshed')?.length], [100, 200]);
  const again = await scene.signals.receive('plant', delivery(...warnings));
  assert.deepEqual(
    [again.revision, new Set(again.results.map(({ outcome }) => outcome))],
    [revision, new Set(['refreshed'])],
  );
  await scene.signals.receive('plant', delivery(alert('truck-1')));
  assert.equal(await scene.statusOf('truck-1'), 'quarantined');
  assert.equal((await scene.signals.list(all)).items.length, 101);
  const ended = warnings.map((one) => ({ ...one, status: 'resolved' as const, endsAt: 20_000_000_000n }));
  await scene.signals.receive('plant', delivery(...ended.slice(0, 100)));
  await scene.signals.receive('plant', delivery({ ...alert('truck-1'), status: 'resolved', endsAt: 20_000_000_000n }));
  scene.clock.now += 3_600_000;
  await scene.signals.look();
  const { items } = await scene.signals.list(all);
  assert.deepEqual(
    items.map(({ hold, until }) => [hold, until]),
    [[results[299]?.hold, 'person']],
  );
  assert.equal(await scene.statusOf('truck-1'), 'degraded');
});

test('alerts beyond those that are kept apart begin the time of one hold anew', async (context) => {
  const scene = await openScene(context, { signals: lasting('60m') });
  await scene.signals.receive('plant', delivery(...many(100)));
  scene.clock.now += 59 * 60_000;
  const { results } = await scene.signals.receive('plant', delivery(alert('truck-1', { key: 'one more' })));
  assert.equal(results[0]?.outcome, 'refreshed');
  scene.clock.now += 59 * 60_000;
  await scene.signals.look();
  const { items } = await scene.signals.list(all);
  assert.deepEqual(
    [items.map(({ hold }) => hold), await scene.statusOf('truck-1')],
    [[results[0]?.hold], 'quarantined'],
  );
});

test('refusals of one source ring twenty times within an hour, in however many deliveries they come', async (context) => {
  const scene = await openScene(context);
  const sent = async (name: string) => {
    const unknown = Array.from({ length: 15 }, (_, index) => alert(`${name}-${index}`));
    await scene.signals.receive('plant', delivery(...unknown));
  };
  for (const name of ['a', 'b', 'c']) await sent(name);
  const keys = () => new Set(scene.rung.map(({ key }) => key));
  assert.deepEqual([keys().size, keys().has('plant/more')], [21, true]);
  scene.clock.now += 3_600_000;
  await sent('d');
  assert.equal(keys().size, 36);
});
