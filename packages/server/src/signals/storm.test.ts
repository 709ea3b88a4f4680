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
