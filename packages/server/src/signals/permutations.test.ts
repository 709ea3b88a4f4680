/** What real senders were seen to send, in every order: FINDINGS A of Alertmanager's retries, pairs, restarts and stalls. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alert, delivery, openScene, type SignalsScene, second } from '../../test/signals.ts';
import type { SignalAlert } from './intake/delivery.ts';

const minute = 60_000;
const at = (seconds: number) => BigInt(seconds) * second;
type Message = Partial<SignalAlert>;
const firing = (startsAt: number): Message => ({ status: 'firing', startsAt: at(startsAt), endsAt: null });
const resolved = (startsAt: number, endsAt: number): Message => ({
  ...{ status: 'resolved', startsAt: at(startsAt), endsAt: at(endsAt) },
});

const sequences: [string, Message[]][] = [
  ['Prometheus stalls, and goes on with the same start', [firing(1), resolved(1, 5), firing(1), resolved(1, 9)]],
  ['Prometheus is killed and starts anew', [firing(1), resolved(1, 5), firing(7), resolved(7, 9)]],
  ['a pair of which the second is late with both', [firing(1), resolved(1, 5), firing(1), resolved(1, 5)]],
  ['an end is retried after it fired again', [firing(1), resolved(1, 5), firing(7), resolved(1, 5)]],
  ['kill -9: all is delivered again', [firing(1), firing(1), resolved(1, 5), resolved(1, 5)]],
  ['both, and the old firing comes last of all', [firing(1), resolved(1, 5), firing(7), resolved(7, 9), firing(1)]],
];

function* permutations<Item>(items: Item[]): Generator<Item[]> {
  if (items.length <= 1) return yield items;
  for (const [index, item] of items.entries())
    for (const rest of permutations(items.toSpliced(index, 1))) yield [item, ...rest];
}

const cases = sequences.flatMap(([title, messages]) => [...permutations(messages)].map((order) => ({ title, order })));

const rules = (until: string) => `
  plant:
    certificate: alertmanager-1
    format: alertmanager
    may: { attributes: { status: [quarantined] } }
    limit: 100000 in 10m
    reactions:
      - { on: 'true', subject: alert.labels.device, hold: { status: quarantined }, ${until} }
`;

/** One device for each order, all of them in one fleet; the room gets the first message of each, then the second of each. */
async function played(scene: SignalsScene, check: (index: number, step: number, status: unknown) => void) {
  const names = cases.map((_, index) => `device-${index}`);
  await scene.journal.change({ actor: 'operator-1', action: 'tokens.create' }, async (change) => {
    for (const subject of names)
      await scene.attributes.ensure(change, { subject, kind: 'device', attributes: { status: 'active' } });
  });
  const longest = Math.max(...cases.map(({ order }) => order.length));
  for (let step = 0; step < longest; step++) {
    const alerts = cases.flatMap(({ order }, index) => {
      const message = order[step];
      return message ? [alert(names[index] as string, { key: `${index}`, ...message })] : [];
    });
    await scene.signals.receive('plant', delivery(...alerts));
    const { items } = await scene.attributes.list({ kind: 'device', limit: 1_000 });
    const status = new Map(items.map((one) => [one.subject as string, one.attributes[0]?.value]));
    for (const [index, name] of names.entries()) if (cases[index]?.order[step]) check(index, step, status.get(name));
    scene.clock.now += 5 * minute;
    await scene.signals.look();
  }
}

const wordsOf = (index: number, step: number) =>
  `${cases[index]?.title}: ${JSON.stringify(
    cases[index]?.order.slice(0, step + 1).map(({ status, startsAt, endsAt }) => `${status} ${startsAt} ${endsAt}`),
  )}`;

const hasFired = (index: number, step: number) =>
  cases[index]?.order.slice(0, step + 1).some(({ status }) => status === 'firing');

test('until a person says so: in whatever order, what fired once is held', async (context) => {
  const scene = await openScene(context, { signals: rules('until: person') });
  await played(scene, (index, step, status) => {
    assert.equal(status, hasFired(index, step) ? 'quarantined' : 'active', wordsOf(index, step));
  });
});

/** Told apart from the room's own reckoning: what may lift is an end that nobody fired after, and that says more than what was refuted. */
function mayLift(order: readonly Message[]): boolean {
  const first = order.findIndex(({ status }) => status === 'firing');
  const last = order.findLastIndex(({ status }) => status === 'firing');
  const newest = Math.max(...order.map(({ status, startsAt }) => (status === 'firing' ? Number(startsAt) : 0)));
  const refuted = order.slice(first, last).map(({ status, endsAt }) => (status === 'resolved' ? Number(endsAt) : 0));
  return order.slice(last + 1).some(({ startsAt, endsAt }) => {
    const isOld = Number(startsAt) < newest && Number(endsAt) <= newest;
    return !isOld && Number(endsAt) > Math.max(0, ...refuted);
  });
}

test('until resolved: a firing cuts whatever came before, and only an end that is no older than the last firing lifts', async (context) => {
  const scene = await openScene(context, { signals: rules('until: resolved, settle: 4m') });
  await played(scene, (index, step, status) => {
    const order = cases[index]?.order.slice(0, step + 1) ?? [];
    if (order.at(-1)?.status === 'firing') assert.equal(status, 'quarantined', wordsOf(index, step));
  });
  for (const [index, { order }] of cases.entries()) {
    const status = await scene.statusOf(`device-${index}`);
    if (order.at(-1)?.status === 'firing') assert.equal(status, 'quarantined', wordsOf(index, order.length));
    if (status === 'active' && hasFired(index, order.length)) assert.ok(mayLift(order), wordsOf(index, order.length));
  }
  const asItHappens = (title: string) => cases.findIndex((one) => one.title.startsWith(title));
  for (const title of ['Prometheus stalls', 'Prometheus is killed', 'kill -9'])
    assert.equal(
      await scene.statusOf(`device-${asItHappens(title)}`),
      'active',
      `${title}: in its own order it is over`,
    );
});

test('until resolved and proven: without a reading since, nothing lifts in whatever order; with one, all that is over does', async (context) => {
  const signals = rules('until: resolved, settle: 4m, proof: { stream: telemetry, inside: reading.t < 5.0 }');
  const scene = await openScene(context, { signals });
  for (const index of cases.keys()) scene.proven.set(`device-${index}`, { side: 'inside', at: scene.clock.now - 1 });
  await played(scene, (index, step, status) => {
    assert.equal(status, hasFired(index, step) ? 'quarantined' : 'active', wordsOf(index, step));
  });
  for (const index of cases.keys()) scene.proven.set(`device-${index}`, { side: 'inside', at: scene.clock.now });
  await scene.signals.look();
  for (const [index, { order }] of cases.entries()) {
    const isOver = order.at(-1)?.status === 'resolved';
    const status = await scene.statusOf(`device-${index}`);
    if (!isOver) assert.equal(status, 'quarantined', wordsOf(index, order.length));
  }
});
