import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type AlertKind, AlertsQuery, type LeaseRequest } from '@portcullis/contract';
import { pino } from 'pino';
import { openRecords, startedAt } from '../../test/records.ts';
import { GateAlerts } from './gate-alerts.ts';

const minute = 60_000;
const at = (milliseconds: number) => new Date(startedAt + milliseconds).toISOString();

async function opened(context: TestContext) {
  const records = await openRecords(context);
  const running = new Set<string>();
  const able = new Set(['gate-1', 'gate-2']);
  const instances = () =>
    [...running].map((gate) => ({ gate, instance: 'a', remainingMs: 1, applied: 0, heldBefore: true }));
  const parts = {
    ...records,
    log: pino({ level: 'silent' }),
    leaseMs: 3_600_000,
    refusalsPerMinute: 30,
    missingMs: 900_000,
  };
  const start = () => GateAlerts.open({ ...parts, book: { instances }, able: { at: () => [...able] } });
  const list = async (kind: AlertKind) =>
    (await records.alerts.list(AlertsQuery.parse({ kind }))).items.map((one) => [one.subject, one.settledAt]);
  return { ...records, running, able, start, list };
}

const refused = (...told: [subject: string, perMinute: number][]) =>
  ({
    refusedMost: told.map(([subject, perMinute]) => ({ subject, perMinute, reason: 'attribute_not_expected' })),
  }) as unknown as LeaseRequest['counters'];
const none = refused();

test('a lease that ran out rings, is over when the gate holds one again, and rings anew the next time', async (context) => {
  const { running, start, list, clock } = await opened(context);
  const gates = await start();
  running.add('gate-1');
  gates.renewed('gate-1', true, none);
  running.delete('gate-1');
  gates.look();
  await gates.close();
  assert.deepEqual(await list('lease_lost'), [], 'one that is started anew takes its place');
  gates.look();
  gates.look();
  await gates.close();
  assert.deepEqual(await list('lease_lost'), [['gate-1', null]]);
  clock.now += minute;
  running.add('gate-1');
  gates.renewed('gate-1', true, none);
  await gates.close();
  assert.deepEqual(await list('lease_lost'), [['gate-1', at(minute)]]);
  running.delete('gate-1');
  gates.look();
  gates.look();
  await gates.close();
  assert.deepEqual(await list('lease_lost'), [
    ['gate-1', null],
    ['gate-1', at(minute)],
  ]);
});

test('a lease that was given back rings not, nor one of a gate that was cut, nor one that another instance holds', async (context) => {
  const { running, able, start, list } = await opened(context);
  const gates = await start();
  for (const gate of ['gate-1', 'gate-2', 'gate-3']) gates.renewed(gate, true, none);
  gates.renewed('gate-4', false, none);
  gates.released('gate-1');
  able.delete('gate-2');
  running.add('gate-3');
  gates.released('gate-3');
  for (let looks = 0; looks < 4; looks++) gates.look();
  await gates.close();
  assert.deepEqual(await list('lease_lost'), []);
});

test('a gate that goes while the authority is away is missed by the next run, and one that comes back is not', async (context) => {
  const { running, start, list } = await opened(context);
  const first = await start();
  first.renewed('gate-1', true, none);
  first.renewed('gate-2', true, none);
  await first.close();
  const next = await start();
  running.add('gate-2');
  next.renewed('gate-2', true, none);
  next.look();
  next.look();
  await next.close();
  assert.deepEqual(await list('lease_lost'), [['gate-1', null]]);
  const last = await start();
  running.add('gate-1');
  last.renewed('gate-1', true, none);
  await last.close();
  assert.deepEqual(await list('lease_lost'), [['gate-1', at(0)]]);
});

test('a subject that is refused again and again rings, over all gates together, once, and is over after five quiet minutes', async (context) => {
  const { start, list, clock } = await opened(context);
  const gates = await start();
  gates.renewed('gate-1', true, refused(['truck-1', 29], ['truck-2', 20]));
  gates.renewed('gate-1', true, refused(['truck-1', 29], ['truck-2', 20]));
  await gates.close();
  assert.deepEqual(await list('refusals'), [], 'what a gate tells twice counts once');
  gates.renewed('gate-2', true, refused(['truck-2', 10]));
  await gates.close();
  assert.deepEqual(await list('refusals'), [['truck-2', null]]);
  clock.now += 4 * minute;
  gates.renewed('gate-2', true, refused(['truck-2', 40]));
  clock.now += 4 * minute;
  gates.look();
  await gates.close();
  assert.deepEqual(await list('refusals'), [['truck-2', null]]);
  clock.now += minute;
  gates.look();
  await gates.close();
  assert.deepEqual(await list('refusals'), [['truck-2', at(9 * minute)]]);
});

test('what gates told long ago counts no more, and what rang before a restart is over after it', async (context) => {
  const { start, list, clock } = await opened(context);
  const first = await start();
  first.renewed('gate-1', true, refused(['truck-1', 29], ['truck-2', 30]));
  clock.now += 2 * minute;
  first.renewed('gate-2', true, refused(['truck-1', 29]));
  await first.close();
  assert.deepEqual(await list('refusals'), [['truck-2', null]]);
  const next = await start();
  next.look();
  clock.now += 5 * minute;
  next.look();
  await next.close();
  assert.deepEqual(await list('refusals'), [['truck-2', at(7 * minute)]]);
});

const missed = (...told: [subject: string, minutes: number][]) =>
  ({
    missing: told.map(([subject, minutes]) => ({ subject, readings: 3, since: at(-minutes * minute) })),
  }) as unknown as LeaseRequest['counters'];

test('what a device counted and a gate never got rings once it is late enough, and is over when no gate misses it', async (context) => {
  const { start, list, clock } = await opened(context);
  const gates = await start();
  gates.renewed('gate-1', true, missed(['pump-1', 20], ['pump-2', 14]));
  gates.renewed('gate-1', true, missed(['pump-1', 20], ['pump-2', 14]));
  await gates.close();
  assert.deepEqual(await list('missing'), [['pump-1', null]], 'one that waits for a minute more is on its way');
  clock.now += 4 * minute;
  gates.renewed('gate-1', true, missed(['pump-1', 20]));
  gates.look();
  await gates.close();
  assert.deepEqual(await list('missing'), [['pump-1', null]]);
  const next = await start();
  clock.now += 6 * minute;
  next.renewed('gate-1', true, none);
  next.look();
  await next.close();
  assert.deepEqual(await list('missing'), [['pump-1', at(10 * minute)]], 'the next run knows of it');
});

test('a certificate that is live from two places rings once a day, and stands in the journal, however many gates tell it', async (context) => {
  const { start, list, clock, alerts, store } = await opened(context);
  const certificate = 'a'.repeat(64);
  const seen = { twoPlaces: [{ subject: 'truck-1', certificate }] } as unknown as LeaseRequest['counters'];
  const gates = await start();
  gates.renewed('gate-1', true, seen);
  gates.renewed('gate-2', true, seen);
  await gates.close();
  assert.deepEqual(await list('clone_suspected'), [['truck-1', null]]);
  const [alert] = (await alerts.list(AlertsQuery.parse({ kind: 'clone_suspected' }))).items;
  assert.deepEqual(alert?.detail, { fingerprint: certificate, gate: 'gate-1' });
  const noted = () =>
    store.read((db) => db.selectFrom('journal').select('actor').where('action', '=', 'clone_suspected').execute());
  assert.deepEqual(
    (await noted()).map(({ actor }) => actor),
    ['gate-1'],
  );
  clock.now += 24 * 60 * minute;
  gates.renewed('gate-2', true, seen);
  await gates.close();
  assert.equal((await list('clone_suspected')).length, 2);
});
