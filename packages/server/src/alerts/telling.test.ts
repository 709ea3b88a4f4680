import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { type AlertKind, AlertRetryRequest, AlertsQuery, PortcullisError } from '@portcullis/contract';
import { pino } from 'pino';
import { patienceMs } from '../../../../test/patience.ts';
import { openRecords, type Records, startedAt } from '../../test/records.ts';
import { Courier } from './courier.ts';
import { type Message, NotTold } from './message.ts';
import type { AlertRoute } from './routes.ts';
import { type Manner, routeSome } from './routing.ts';
import { type Target, tellTargets } from './telling.ts';

const [second, minute, hour, day] = [1_000, 60_000, 3_600_000, 86_400_000];
const log = pino({ level: 'silent' });
const usual: Manner = { name: 'duty', groupWaitMs: 5 * second, repeatMs: day, settled: true, leases: false };

/** One target, told by hand, with the time of the records. */
async function opened(context: TestContext, manners: Partial<Manner>[] = [{}], routes?: AlertRoute[]) {
  const records = await openRecords(context);
  const { store, alerts, clock } = records;
  // A pause is as long as it can be.
  const random = (bytes: number) => (bytes === 4 ? Buffer.alloc(bytes, 0xff) : randomBytes(bytes));
  const system = { now: () => clock.now, random };
  const all = manners.map((manner) => ({ ...usual, ...manner }));
  const told: (Message & { target: string })[] = [];
  const answers: (Error | undefined)[] = [];
  const courierOf = (manner: Manner) => {
    const teller = {
      async tell(message: Message) {
        const answer = answers.shift();
        if (answer) throw answer;
        told.push({ ...message, target: manner.name });
      },
    };
    return new Courier({ store, alerts, system, log, manner, teller, limitMs: patienceMs });
  };
  const couriers = all.map(courierOf);
  const never = new AbortController().signal;
  const raise = (kind: AlertKind, key = 'a', subject: string | null = `load-${key}`) =>
    store.change((db) => alerts.raise(db, { kind, key, subject, at: clock.now, says: `${kind} ${key}`, detail: {} }));
  const settle = (kind: AlertKind, key = 'a') => store.change((db) => alerts.settle(db, kind, key, clock.now));
  const route = async () => {
    while (await store.change((db) => routeSome(db, { manners: all, routes, system })));
  };
  /** All that is due now. Resolves to what targets took, in order. */
  const work = async () => {
    told.length = 0;
    await route();
    for (const courier of couriers) while (await courier.step(never));
    return told.map(({ target, phase, kind, alerts: list }) =>
      [target, phase, kind, ...list.map(({ key }) => key)].join(' '),
    );
  };
  const later = (milliseconds: number) => {
    clock.now += milliseconds;
    return work();
  };
  const list = async (query: Partial<AlertsQuery> = {}) => (await alerts.list(AlertsQuery.parse(query))).items;
  return { ...records, system, told, answers, couriers, raise, settle, route, work, later, list, courierOf, all };
}

test('alerts of one kind that come within the wait are one message, and another kind is another', async (context) => {
  const { raise, work, later, told } = await opened(context);
  await raise('breach', 'a');
  assert.deepEqual(await work(), []);
  await raise('breach', 'b');
  await raise('silence', 'a');
  assert.deepEqual(await work(), []);
  assert.deepEqual(await later(5 * second), ['duty raised breach a b', 'duty raised silence a']);
  assert.notEqual(told[0]?.id, told[1]?.id);
  await raise('breach', 'a');
  assert.deepEqual(await later(day / 2), [], 'it is the same alert');
  await raise('breach', 'c');
  await work();
  assert.deepEqual(await later(5 * second), ['duty raised breach c']);
});

test('a message holds a hundred alerts at most', async (context) => {
  const { store, alerts, clock, work, later, told } = await opened(context);
  await store.change(async (db) => {
    for (let index = 0; index < 250; index++)
      await alerts.raise(db, { kind: 'breach', key: `${index}`, subject: null, at: clock.now, says: '', detail: {} });
  });
  await work();
  await later(5 * second);
  assert.deepEqual(
    told.map(({ alerts: list }) => list.length),
    [100, 100, 50],
  );
});

test('routes choose by kind and by subject; without one that fits nobody is told', async (context) => {
  const routes: AlertRoute[] = [
    { kinds: ['breach'], to: ['duty'] },
    { subjects: ['load-*', 'truck-*-north'], to: ['owner'] },
    { kinds: ['breach', 'silence'], subjects: ['load-b'], to: ['owner', 'duty'] },
  ];
  const { raise, work, later } = await opened(context, [{}, { name: 'owner' }], routes);
  await raise('breach', 'a');
  await raise('silence', 'b');
  await raise('late', 'x', 'truck-7-north');
  await raise('late', 'y', 'truck-north');
  await raise('lease_lost', 'z', null);
  await raise('breach', 'w', null);
  await work();
  assert.deepEqual((await later(5 * second)).toSorted(), [
    'duty raised breach a w',
    'duty raised silence b',
    'owner raised breach a',
    'owner raised late x',
    'owner raised silence b',
  ]);
});

test('what lasts is told again at the interval until it is over, and then that; a moment is told once', async (context) => {
  const { raise, settle, work, later, told, list } = await opened(context);
  await raise('breach', 'a');
  await raise('breach', 'b');
  await raise('out_of_sequence', 'c');
  await work();
  assert.equal((await later(5 * second)).length, 2);
  const first = told.find(({ kind }) => kind === 'breach')?.id;
  await settle('breach', 'b');
  await work();
  assert.deepEqual(await later(5 * second), ['duty settled breach b']);
  assert.deepEqual(await later(day), ['duty raised breach a']);
  assert.deepEqual([told[0]?.id, told[0]?.repeats], [`${first}.1`, 1]);
  await settle('breach', 'a');
  await work();
  assert.deepEqual(await later(5 * second), ['duty settled breach a']);
  assert.deepEqual([await later(day), await later(30 * day)], [[], []]);
  assert.deepEqual(await list({ telling: 'waiting' }), []);
});

test('that it is over is not told before that it began', async (context) => {
  const { raise, settle, work, later, answers } = await opened(context);
  await raise('breach');
  await work();
  answers.push(new NotTold('it answered 422', { messageAlone: true, retryAfterMs: minute }));
  await later(5 * second);
  await settle('breach');
  await work();
  assert.deepEqual(await later(30 * second), [], 'it waits for what is before it');
  assert.deepEqual(await later(minute), ['duty raised breach a', 'duty settled breach a']);
});

test('a target that wants to hear of the beginning alone is not told of the end', async (context) => {
  const { raise, settle, work, later } = await opened(context, [{ settled: false }]);
  await raise('breach');
  await work();
  await later(5 * second);
  await settle('breach');
  await work();
  assert.deepEqual(await later(2 * day), []);
});

test('what fails is tried again under the same id, at ever longer distances, and all that waits once the target is back', async (context) => {
  const { raise, work, later, answers, told, couriers, clock, list } = await opened(context);
  await raise('breach');
  await raise('silence');
  await work();
  const tries: number[] = [];
  for (let index = 0; index < 30; index++) answers.push(new NotTold('it answered 500'));
  clock.now += 5 * second;
  for (let left = 30; left > 0; left = answers.length) {
    await work();
    if (answers.length < left) tries.push(clock.now);
    clock.now = Math.max(clock.now + 1, Math.round((await couriers[0]?.nextAt()) ?? 0));
    if (clock.now > startedAt + day - 2 * hour) break;
  }
  const distances = tries.slice(1).map((at, index) => at - (tries[index] as number));
  assert.deepEqual(
    distances.slice(0, 5).map((ms) => Math.round(ms / second)),
    [2, 4, 8, 16, 32],
  );
  assert.equal(Math.max(...distances), hour);
  const [{ tellings: [telling] = [] } = assert.fail()] = await list({ kind: 'breach' });
  assert.deepEqual([telling?.state, telling?.error], ['waiting', 'it answered 500']);
  answers.length = 0;
  assert.deepEqual((await later(hour)).toSorted(), ['duty raised breach a', 'duty raised silence a']);
  assert.ok(told.every(({ id }) => !id.includes('.')));
  assert.ok(told.some(({ id }) => id === telling?.message));
});

test('a target that fails for a day leaves dead letters and an alert for the others; an operator has them tried anew', async (context) => {
  const { raise, work, later, answers, list, alerts, clock, couriers } = await opened(context, [{}, { name: 'other' }]);
  await raise('breach');
  await work();
  await couriers[1]?.step(new AbortController().signal);
  const down = () =>
    answers.splice(0, answers.length, ...Array.from({ length: 50 }, () => new NotTold('it answered 500')));
  const duty = (kind: AlertKind) =>
    list({ kind }).then(([one]) => one?.tellings.find(({ target }) => target === 'duty'));
  const [courier] = couriers as [Courier];
  const never = new AbortController().signal;
  down();
  for (let hours = 0; hours < 30 && (await duty('breach'))?.state !== 'dead'; hours++) {
    clock.now += hour;
    await courier.step(never);
  }
  assert.ok(clock.now - startedAt >= day && clock.now - startedAt <= day + 2 * hour, 'not before its time');
  answers.length = 0;
  assert.deepEqual(await later(second), ['other raised breach a']);
  const shown = await later(5 * second);
  assert.deepEqual(shown, ['other raised outbox_dead duty'], 'who can not be told is not told of that');
  const [dead] = await list({ kind: 'outbox_dead' });
  assert.match(dead?.says ?? '', /^target "duty" could not be told for a day: 1 message; it answered 500$/);
  assert.equal((await list({ telling: 'dead' })).length, 1);
  assert.deepEqual(await later(day / 2), []);
  const id = (await list({ kind: 'breach' }))[0]?.id as string;
  const retry = (request: object) => alerts.retry({ actor: 'operator-1' }, AlertRetryRequest.parse(request));
  await assert.rejects(retry({ alerts: ['none'] }), { code: 'alert_unknown' });
  assert.equal(await retry({ target: 'other' }), 0);
  assert.equal(await retry({ alerts: [id], target: 'duty', reason: 'mended' }), 1);
  courier.tryNow();
  assert.deepEqual(await work(), ['duty raised breach a']);
  await work();
  assert.deepEqual(await later(5 * second), ['other settled outbox_dead duty']);
});

test('a message that a target does not take holds up no other of it', async (context) => {
  const { raise, work, later, answers } = await opened(context);
  await raise('breach');
  await raise('silence');
  await work();
  answers.push(new NotTold('it answered 400', { messageAlone: true }));
  assert.deepEqual(await later(5 * second), ['duty raised silence a']);
});

test('a target that asks for a pause gets it', async (context) => {
  const { raise, work, later, answers } = await opened(context);
  await raise('breach');
  await work();
  answers.push(new NotTold('it answered 429', { retryAfterMs: 10 * minute }));
  assert.deepEqual(await later(5 * second), []);
  assert.deepEqual(await later(9 * minute), []);
  assert.deepEqual(await later(minute), ['duty raised breach a']);
});

test('what is told for so long at a time is told again until it is over, one alert a message, and never given up', async (context) => {
  const leases = { name: 'am', leases: true, groupWaitMs: 0, repeatMs: minute };
  const { raise, settle, work, later, told, answers, list } = await opened(context, [leases]);
  await raise('breach', 'a');
  await raise('breach', 'b');
  await raise('out_of_sequence', 'c');
  assert.deepEqual(await work(), ['am raised breach a', 'am raised breach b', 'am raised out_of_sequence c']);
  assert.equal((await later(minute)).length, 3);
  await settle('breach', 'b');
  await work();
  assert.deepEqual(
    told.map(({ alerts: [one] }) => [one?.key, one?.settledAt]),
    [['b', startedAt + minute]],
  );
  assert.equal((await later(minute)).length, 2);
  for (let minutes = 0; minutes < 60; minutes++) await later(minute);
  assert.deepEqual(await later(minute), ['am raised breach a'], 'a moment is over after an hour');
  for (let hours = 0; hours < 26; hours++) {
    answers.push(new NotTold('down'));
    await later(hour);
  }
  assert.equal((await list({ kind: 'outbox_dead' })).length, 1);
  answers.length = 0;
  assert.deepEqual(await later(hour), ['am raised breach a']);
  assert.notEqual((await list({ kind: 'outbox_dead' }))[0]?.settledAt, null);
});

test('what ended while it was being told that it lasts is told at once', async (context) => {
  const records = await opened(context, [{ leases: true, groupWaitMs: 0, repeatMs: minute }]);
  const { raise, settle, route, all, store, alerts, system } = records;
  await raise('breach');
  await route();
  const ends: (number | null)[] = [];
  const teller = {
    async tell({ alerts: [one] }: Message) {
      ends.push(one?.settledAt ?? null);
      if (ends.length > 1) return;
      await settle('breach');
      await route();
    },
  };
  const courier = new Courier({ store, alerts, system, log, manner: all[0] as Manner, teller, limitMs: patienceMs });
  while (await courier.step(new AbortController().signal));
  assert.deepEqual(ends, [null, startedAt]);
});

/** The whole of it, by itself. */
function telling(
  { store, alerts, clock }: Pick<Records, 'store' | 'alerts' | 'clock'>,
  target: Partial<Target>,
): AsyncDisposable {
  const system = { now: () => clock.now, monotonic: () => clock.now, random: (bytes: number) => randomBytes(bytes) };
  const teller = { tell: async () => undefined };
  const one: Target = { ...usual, groupWaitMs: 0, teller, limitMs: patienceMs, ...target };
  return tellTargets({ store, alerts, system, log, targets: [one] });
}

test('whoever raises wakes it; what was begun and not told is told by the next run, under its id and as it was', async (context) => {
  const records = await opened(context);
  const { raise } = records;
  const begun = Promise.withResolvers<Message>();
  const hanging = {
    tell: (message: Message, signal: AbortSignal) =>
      new Promise<void>((_, failed) => {
        begun.resolve(message);
        signal.addEventListener('abort', () => failed(signal.reason));
      }),
  };
  {
    await using _first = telling(records, { teller: hanging });
    await raise('breach', 'a');
    await begun.promise;
    await raise('breach', 'b');
  }
  const told: Message[] = [];
  const both = Promise.withResolvers<void>();
  const teller = {
    async tell(message: Message) {
      if (told.push(message) === 2) both.resolve();
    },
  };
  await using _second = telling(records, { teller });
  await both.promise;
  assert.deepEqual(told[0], await begun.promise);
  assert.deepEqual(
    told[1]?.alerts.map(({ key }) => key),
    ['b'],
  );
});

test('what an earlier run could not tell is tried at once by the next', async (context) => {
  const records = await opened(context);
  const failed = Promise.withResolvers<void>();
  const failing = {
    async tell() {
      setImmediate(failed.resolve);
      throw new NotTold('it answered 503', { retryAfterMs: hour });
    },
  };
  {
    await using _first = telling(records, { teller: failing });
    await records.raise('breach');
    await failed.promise;
  }
  const told = Promise.withResolvers<Message>();
  await using _second = telling(records, { teller: { tell: async (message) => told.resolve(message) } });
  assert.equal((await told.promise).attempts, 1);
});

test('P13: a disk that is full loses nothing, and has nobody told again and again', async (context) => {
  const { raise, route, all, told, store, alerts, system, clock } = await opened(context);
  await raise('breach');
  await route();
  clock.now += 5 * second;
  let full = false;
  const full503 = new PortcullisError('disk_full', 'the disk is full');
  const disk: typeof store = Object.assign(Object.create(store), {
    read: store.read.bind(store),
    change: (...given: Parameters<typeof store.change>) => (full ? Promise.reject(full503) : store.change(...given)),
  });
  const teller = {
    async tell(message: Message) {
      told.push({ ...message, target: 'duty' });
      full = told.length === 1;
    },
  };
  const manner = all[0] as Manner;
  const courier = new Courier({ store: disk, alerts, system, log, manner, teller, limitMs: patienceMs });
  const step = () => courier.step(new AbortController().signal);
  for (let tries = 0; tries < 5; tries++) await assert.rejects(step(), { code: 'disk_full' });
  assert.equal(told.length, 1, 'it was told, which could not be noted; without a note it is not told again');
  full = false;
  assert.equal(await step(), true);
  assert.deepEqual(told[1], told[0], 'at least once');
  assert.equal(await step(), false);
});

test('what waits for a target that is configured no more is withdrawn, and says so', async (context) => {
  const { raise, work, list, ...records } = await opened(context);
  await raise('breach');
  await work();
  {
    await using _telling = telling(records, { name: 'other' });
    const withdrawn = async () => (await list())[0]?.tellings.find(({ target }) => target === 'duty');
    for (const limit = performance.now() + patienceMs; (await withdrawn())?.state === 'waiting'; ) {
      assert.ok(performance.now() < limit);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.deepEqual((await withdrawn())?.error, 'fleet.yaml names no such target any more');
  }
});
