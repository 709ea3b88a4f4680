import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PortcullisError } from '@portcullis/contract';
import type { Gate } from './ask-gates.ts';
import { type News, newsWords, watchGates } from './watch-gates.ts';

const listed = (gate: string, url = `https://${gate}.example`) => ({
  ...{ gate, url, instance: 'x', lease: 'held', leaseEndsInMs: 1, appliedRevision: 1, lag: 0, lastHeardMs: 1 },
  ...{
    connections: 0,
    admittedPerSecond: 0,
    refusedPerSecond: 0,
    overruns: 0,
    unproven: 0,
    policy: 1,
    policyRefused: false,
  },
});
const unreachable = () => new PortcullisError('server_unreachable', 'ECONNREFUSED');

/** A fleet whose gates and authority the test owns. Pauses end when the test says so. */
function scene(gates: object[] = [listed('gate-1'), listed('gate-2')]) {
  const stop = new AbortController();
  const fleet = { gates, error: undefined as PortcullisError | undefined };
  const pauses: { milliseconds: number; end(): void }[] = [];
  const sessions: { gate: Gate; live(): void; end(error: Error): void }[] = [];
  const news: News[] = [];
  let changed: () => void = () => undefined;
  const watch = {
    session: (gate: Gate, live: () => void, signal: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        signal.addEventListener('abort', () => resolve());
        sessions.push({ gate, live, end: reject });
        changed();
      }),
    tell(one: News) {
      news.push(one);
      changed();
    },
  };
  const client = {
    async get() {
      if (fleet.error) throw fleet.error;
      return { items: fleet.gates } as never;
    },
  };
  const waits = {
    chance: () => 1,
    pause: (milliseconds: number, signal: AbortSignal) =>
      new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve());
        pauses.push({ milliseconds, end: resolve });
        changed();
      }),
  };
  const done = watchGates(client, watch, waits, stop.signal);
  done.catch(() => undefined);
  /** Waits for the event, not for time. */
  const until = async <T>(what: () => T | undefined | false): Promise<T> => {
    for (;;) {
      const found = what();
      if (found) return found;
      await new Promise<void>((resolve) => {
        changed = resolve;
      });
    }
  };
  const sessionOf = (gate: string, number = 1) =>
    until(() => sessions.filter((one) => one.gate.gate === gate)[number - 1]);
  /** The pause before a gate is tried again; that of the roster is longer than any. */
  const retry = () =>
    until(() => pauses.find(({ milliseconds }, index) => milliseconds < 10_000 && pauses.splice(index, 1)));
  const roster = () =>
    until(() => pauses.find(({ milliseconds }, index) => milliseconds === 10_000 && pauses.splice(index, 1)));
  return { stop, fleet, news, sessions, done, until, sessionOf, retry, roster };
}

test('a gate that stops is told once, tried again with longer pauses, and told when it is back; the other is left alone', async () => {
  const { stop, news, sessions, done, sessionOf, retry } = scene();
  (await sessionOf('gate-2')).live();
  const first = await sessionOf('gate-1');
  first.live();
  const waited: number[] = [];
  for (let number = 1; number <= 5; number++) {
    (await sessionOf('gate-1', number)).end(unreachable());
    const { milliseconds, end } = await retry();
    waited.push(milliseconds);
    end();
  }
  assert.deepEqual(waited, [500, 1_000, 2_000, 4_000, 8_000]);
  assert.deepEqual(
    news.map((one) => newsWords(one, false)),
    ['gate-1 at https://gate-1.example is away: ECONNREFUSED (server_unreachable); trying again, the others go on'],
  );
  assert.equal(sessions.filter(({ gate }) => gate.gate === 'gate-2').length, 1);
  stop.abort();
  await done;
});

test('P13: what a gate could not tell in time is said, in words and for programs', () => {
  const one = { dropped: 312, of: { gate: 'gate-1', url: 'https://gate-1.example' } as Gate };
  assert.equal(
    newsWords(one, false),
    'gate-1 at https://gate-1.example: 312 verdicts are not shown: they came faster than they were read',
  );
  assert.equal(JSON.parse(newsWords(one, true)).dropped, 312);
});

test('once it answered, the pauses begin anew, and being back is told', async () => {
  const { stop, news, done, sessionOf, retry } = scene();
  for (const number of [1, 2, 3]) {
    (await sessionOf('gate-1', number)).end(unreachable());
    (await retry()).end();
  }
  (await sessionOf('gate-1', 4)).live();
  (await sessionOf('gate-1', 4)).end(unreachable());
  assert.equal((await retry()).milliseconds, 500);
  assert.deepEqual(
    news.map((one) => Object.keys(one)[0]),
    ['away', 'back', 'away'],
  );
  assert.equal(JSON.parse(newsWords(news[1] as News, true)).back.gate, 'gate-1');
  stop.abort();
  await done;
});

test('a gate that is new is watched, one that moved is tried where it is, one that left is let go', async () => {
  const { stop, fleet, news, done, sessionOf, roster, retry, until } = scene();
  const left = await sessionOf('gate-1');
  fleet.gates = [listed('gate-2', 'https://elsewhere.example'), listed('gate-3')];
  (await roster()).end();
  await sessionOf('gate-3');
  await until(() => news.find((one) => 'gone' in one && one.gone.gate === 'gate-1'));
  (await sessionOf('gate-2')).end(unreachable());
  (await retry()).end();
  assert.equal((await sessionOf('gate-2', 2)).gate.url, 'https://elsewhere.example');
  assert.equal(left.gate.gate, 'gate-1');
  stop.abort();
  await done;
});

test('the authority may be away: what is known goes on, and it is told once', async () => {
  const { stop, fleet, news, done, roster, sessionOf, sessions } = scene();
  await sessionOf('gate-2');
  fleet.error = unreachable();
  (await roster()).end();
  (await roster()).end();
  const third = await roster();
  fleet.error = undefined;
  third.end();
  await roster();
  assert.deepEqual(news, [
    { authority: 'away', code: 'server_unreachable', message: 'ECONNREFUSED' },
    { authority: 'back' },
  ]);
  assert.equal(sessions.length, 2);
  stop.abort();
  await done;
});

test('A8: an operator whom the authority does not admit is told so, and it ends', async () => {
  const { fleet, done, sessionOf } = scene();
  const session = await sessionOf('gate-1');
  fleet.error = new PortcullisError('not_authenticated', 'no');
  session.end(unreachable());
  await assert.rejects(done, {
    code: 'not_authenticated',
    message:
      /the gate at https:\/\/gate-1\.example ended the stream: this operator's certificate is not admitted any more/,
  });
});

test('a fleet whose gates have not started yet is waited for', async () => {
  const { stop, fleet, done, roster, news, sessionOf, until } = scene([]);
  await until(() => news.find((one) => 'none' in one));
  fleet.gates = [listed('gate-1')];
  (await roster()).end();
  await sessionOf('gate-1');
  stop.abort();
  await done;
});
