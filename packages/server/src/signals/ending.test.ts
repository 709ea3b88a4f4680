/** What ends a hold: its time, a claim that settled, a proof. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alert, delivery, openScene, over, second } from '../../test/signals.ts';

const minute = 60_000;
const all = { limit: 1_000 };

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

const byTime = (until: string) => twoLevels.replaceAll('hold: {', `until: ${until}, hold: {`);

test('a hold with a duration ends by the clock of the authority, also where no process ran: at once at the next start, in order', async (context) => {
  const signals = byTime('10m').replace('until: 10m', 'until: 20m');
  const scene = await openScene(context, { signals });
  await scene.signals.receive('plant', delivery(warning('truck-1'), alert('truck-1')));
  await scene.signals.look();
  assert.equal(await scene.statusOf('truck-1'), 'quarantined');
  scene.clock.now += 10 * minute;
  await scene.signals.look();
  assert.equal(await scene.statusOf('truck-1'), 'degraded');
  scene.clock.now += 10 * minute - 1;
  await scene.signals.look();
  assert.equal(await scene.statusOf('truck-1'), 'degraded');
  await scene.signals.receive(
    'plant',
    delivery(alert('truck-2'), alert('truck-2', { key: 'warns', labels: { severity: 'warning', device: 'truck-2' } })),
  );
  const before = scene.journal.head().revision;
  scene.clock.now += 60 * minute;
  await scene.restart();
  assert.deepEqual([await scene.statusOf('truck-1'), await scene.statusOf('truck-2')], ['active', 'active']);
  const ends = await scene.journal.changes(before, 100);
  assert.deepEqual(
    ends.map(({ subjects }) =>
      subjects.map(
        ({ subject, attributes }) => `${subject} ${JSON.stringify(Object.values(attributes ?? {})[0]?.value)}`,
      ),
    ),
    [['truck-1 "active"'], ['truck-2 "degraded"'], ['truck-2 "active"']],
  );
});

test('an alert that fires anew begins the time of its hold anew, and a repeat does not', async (context) => {
  const scene = await openScene(context, { signals: byTime('60m') });
  const { revision } = await scene.signals.receive('plant', delivery(alert('truck-1')));
  scene.clock.now += 58 * minute;
  await scene.signals.receive('plant', delivery(over('truck-1')));
  scene.clock.now += minute;
  const anew = alert('truck-1', { startsAt: 59n * 60n * second });
  const { revision: same, results } = await scene.signals.receive('plant', delivery(anew));
  assert.deepEqual([same, results[0]?.outcome], [revision, 'refreshed']);
  scene.clock.now += 59 * minute;
  await scene.signals.receive('plant', delivery(anew));
  await scene.signals.look();
  assert.equal(await scene.statusOf('truck-1'), 'quarantined');
  scene.clock.now += minute;
  await scene.signals.look();
  assert.equal(await scene.statusOf('truck-1'), 'active');
});

test('a hold that waited lasts its whole time from when it is applied, also where its alert fired anew meanwhile', async (context) => {
  const signals = byTime('60m').replace('reactions:', 'limit: 1 in 10m\n    reactions:');
  const scene = await openScene(context, { signals });
  await scene.signals.receive('plant', delivery(alert('truck-1'), alert('truck-2'), alert('truck-3')));
  scene.clock.now += 30 * minute;
  await scene.signals.receive('plant', delivery(alert('truck-3', { startsAt: 30n * 60n * second })));
  scene.clock.now += 29 * minute;
  await scene.signals.apply({ actor: 'operator-1' }, { source: 'plant' as never, reason: 'it is so' });
  const both = async () => [await scene.statusOf('truck-2'), await scene.statusOf('truck-3')];
  scene.clock.now += 60 * minute - 1;
  await scene.signals.look();
  assert.deepEqual(await both(), ['quarantined', 'quarantined']);
  scene.clock.now += 1;
  await scene.signals.look();
  assert.deepEqual(await both(), ['active', 'active']);
});

const proving = twoLevels.replaceAll(
  'hold: {',
  'until: resolved, settle: 5m, proof: { stream: telemetry, inside: reading.temperature < 60.0 }, hold: {',
);

test('until resolved: claimed, settled, and proven by a reading that is newer than the claim; each of them alone lifts nothing', async (context) => {
  const scene = await openScene(context, { signals: proving });
  const lacks = async () => (await scene.signals.list(all)).items[0]?.lacks;
  await scene.signals.receive('plant', delivery(alert('truck-1')));
  scene.proven.set('truck-1', { side: 'inside', at: scene.clock.now + 1 });
  scene.clock.now += 60 * minute;
  await scene.signals.look();
  assert.equal(await lacks(), 'its alert fires');
  await scene.signals.receive('plant', delivery(over('truck-1')));
  await scene.signals.look();
  assert.equal(await lacks(), 'it settles for 300 s more');
  scene.clock.now += 5 * minute;
  await scene.signals.look();
  assert.equal(await lacks(), 'no reading since shows that all is well');
  scene.proven.set('truck-1', { side: 'outside', at: scene.clock.now });
  await scene.signals.look();
  assert.equal(await lacks(), 'the newest reading shows that it is not well');
  assert.equal(await scene.statusOf('truck-1'), 'quarantined');
  scene.proven.set('truck-1', { side: 'inside', at: scene.clock.now });
  await scene.signals.look();
  assert.equal(await scene.statusOf('truck-1'), 'active');
});

test('a firing within the settling begins it anew, and so does a restart: what was sent meanwhile nobody heard', async (context) => {
  const scene = await openScene(context, { signals: byTime('resolved') });
  await scene.signals.receive('plant', delivery(alert('truck-1')));
  await scene.signals.receive('plant', delivery(over('truck-1')));
  scene.clock.now += 4 * minute;
  await scene.signals.receive('plant', delivery(alert('truck-1')));
  await scene.signals.receive('plant', delivery(over('truck-1', { endsAt: 30n * second })));
  scene.clock.now += 4 * minute;
  await scene.restart();
  scene.clock.now += 4 * minute;
  await scene.signals.look();
  assert.equal(await scene.statusOf('truck-1'), 'quarantined');
  scene.clock.now += minute;
  await scene.signals.look();
  assert.equal(await scene.statusOf('truck-1'), 'active');
});

test('an end that may be an old one told again never lifts without a proof', async (context) => {
  const scene = await openScene(context, { signals: byTime('resolved') });
  for (const one of [alert('truck-1'), over('truck-1'), alert('truck-1'), over('truck-1')])
    await scene.signals.receive('plant', delivery(one));
  scene.clock.now += 1_000 * minute;
  await scene.signals.look();
  assert.equal(await scene.statusOf('truck-1'), 'quarantined');
  assert.match((await scene.signals.list(all)).items[0]?.lacks ?? '', /a person decides/);
});
