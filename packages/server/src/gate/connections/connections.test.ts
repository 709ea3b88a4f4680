import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { FedReplica, fingerprintNamed, groundOn } from '../../../test/fed-replica.ts';
import { type admit, isAdmissible } from '../admission/admit.ts';
import { Bearer } from './bearer.ts';
import * as door from './connections.ts';

const { Connections } = door;

const leaf = (name: string) => Buffer.from(fingerprintNamed(name), 'hex');

class Line {
  readonly remoteAddress = '127.0.0.1';
  idleSince: number | undefined;
  stalledSince: number | undefined;
  ended = 0;
  dropped = false;
  constructor(since: { idleSince?: number; stalledSince?: number } = {}) {
    Object.assign(this, since);
  }
  end(): void {
    this.ended++;
  }
  drop(): void {
    this.dropped = true;
    this.idleSince = undefined;
    this.stalledSince = undefined;
  }
}

function open(fed: FedReplica) {
  const ground = groundOn(fed, { telemetry: { expect: { status: 'active' } } });
  const admissible = (bearer: Parameters<typeof isAdmissible>[0]) => isAdmissible(bearer, ground);
  return new Connections({ ...ground, isAdmissible: admissible });
}

const device = (subject: string, status: string) => ({
  subject,
  attributes: { status: { value: status } },
  certificates: [{ fingerprint: fingerprintNamed(subject) }],
});

test('P6: a flip ends the connections of that certificate, and only those', async () => {
  const fed = new FedReplica();
  fed.change([device('truck-17', 'active'), device('truck-18', 'active')]);
  const connections = open(fed);
  const [one, two, other] = [new Line(), new Line(), new Line()];
  connections.register(leaf('truck-17'), one);
  const denied = connections.register(leaf('truck-17'), two);
  connections.register(leaf('truck-18'), other);
  connections.changed(fed.change([device('truck-17', 'off')]));
  assert.equal(denied.denied, true, 'denied before anything is closed');
  assert.equal(connections.closed, 2);
  await turn();
  assert.deepEqual([one.ended, two.ended, other.ended], [1, 1, 0]);
  connections.changed(fed.change([device('truck-17', 'off')]));
  assert.equal(connections.closed, 2, 'each is counted once');
});

test('room for a new connection is made by the one that was idle for longest, then by one that stands still, else by none', () => {
  const connections = open(new FedReplica());
  const lines = [{}, { stalledSince: 1 }, { idleSince: 30 }, { idleSince: 20 }, { stalledSince: 40 }].map(
    (since) => new Line(since),
  );
  for (const line of lines) connections.register(leaf('truck-17'), line);
  const other = new Line({ idleSince: 1 });
  connections.register(leaf('truck-18'), other);
  const displaced = () => lines.indexOf(connections.displace(leaf('truck-17'))?.transport as Line);
  assert.deepEqual([displaced(), displaced(), displaced(), displaced(), displaced()], [3, 2, 1, 4, -1]);
  assert.deepEqual(
    lines.map(({ dropped }) => dropped),
    [false, true, true, true, true],
  );
  assert.deepEqual([connections.displaced, connections.turnedAway, other.dropped], [4, 1, false]);
});

test('P6: a superseded certificate loses its connections, its successor keeps them', async () => {
  const fed = new FedReplica();
  const [older, newer] = [{ fingerprint: fingerprintNamed('older') }, { fingerprint: fingerprintNamed('newer') }];
  fed.change([{ ...device('truck-17', 'active'), certificates: [older, newer] }]);
  const connections = open(fed);
  const [before, after] = [new Line(), new Line()];
  connections.register(leaf('older'), before);
  connections.register(leaf('newer'), after);
  connections.changed(fed.change([{ subject: 'truck-17', certificates: [{ ...older, standing: 'superseded' }] }]));
  await turn();
  assert.deepEqual([before.ended, after.ended], [1, 0]);
});

test('a bulk change denies everybody at once and closes them in slices, with turns of the event loop between', async () => {
  const fed = new FedReplica();
  const names = Array.from({ length: 1_000 }, (_, index) => `truck-${index}`);
  fed.change(names.map((name) => device(name, 'active')));
  const connections = open(fed);
  const lines = names.map((name) => {
    const line = new Line();
    connections.register(leaf(name), line);
    return line;
  });
  connections.changed(fed.change(names.map((name) => device(name, 'off'))));
  assert.equal(connections.closed, 1_000);
  await turn();
  const afterOneTurn = lines.filter(({ ended }) => ended > 0).length;
  assert.ok(afterOneTurn > 0 && afterOneTurn < 1_000, `${afterOneTurn} after one turn`);
  for (let turns = 0; turns < 10; turns++) await turn();
  assert.equal(lines.filter(({ ended }) => ended === 1).length, 1_000);
});

test('a change of more subjects than there are connections finds the same ones', async () => {
  const fed = new FedReplica();
  const names = Array.from({ length: 50 }, (_, index) => `truck-${index}`);
  fed.change(names.map((name) => device(name, 'active')));
  const connections = open(fed);
  const [cut, left] = [new Line(), new Line()];
  connections.register(leaf('truck-7'), cut);
  connections.register(leaf('truck-8'), left);
  connections.changed(fed.change(names.filter((name) => name !== 'truck-8').map((name) => device(name, 'off'))));
  await turn();
  assert.deepEqual([cut.ended, left.ended], [1, 0]);
});

function ownTimers(context: TestContext, now: number): void {
  context.mock.timers.enable({ apis: ['setTimeout', 'setImmediate'], now });
}

test('A5, K4: a connection ends with its certificate, also after 400 days', (context) => {
  const fed = new FedReplica();
  const day = 86_400_000;
  const notAfter = Math.floor(fed.clock.now / 1000) * 1000 + 400 * day;
  fed.change([
    { ...device('truck-17', 'active'), certificates: [{ fingerprint: fingerprintNamed('truck-17'), notAfter }] },
  ]);
  ownTimers(context, fed.clock.now);
  const timers = context.mock.method(globalThis, 'setTimeout');
  const connections = open(fed);
  const line = new Line();
  connections.register(leaf('truck-17'), line);
  const pass = (milliseconds: number) => {
    for (let left = milliseconds; left > 0; left -= 3_600_000) {
      fed.clock.now += Math.min(left, 3_600_000);
      context.mock.timers.tick(Math.min(left, 3_600_000));
    }
  };
  pass(399 * day);
  assert.equal(line.ended, 0);
  pass(day + 2_000);
  assert.equal(line.ended, 1);
  const longest = Math.max(...timers.mock.calls.map((call) => Number(call.arguments[1])));
  assert.ok(longest < 2 ** 31, `a timer of ${longest} ms would fire at once`);
});

test('however many connections idle, one timer looks after their certificates; each ends with its own, and none is left behind them', (context) => {
  const fed = new FedReplica();
  const [hour, day] = [3_600_000, 86_400_000];
  const ends = [hour, 30 * day, hour + 90_000];
  const names = Array.from({ length: 300 }, (_, number) => `truck-${number}`);
  const notAfterOf = (number: number) => Math.floor(fed.clock.now / 1000) * 1000 + (ends[number % 3] as number);
  fed.change(
    names.map((name, number) => ({
      ...device(name, 'active'),
      certificates: [{ fingerprint: fingerprintNamed(name), notAfter: notAfterOf(number) }],
    })),
  );
  ownTimers(context, fed.clock.now);
  const timers = context.mock.method(globalThis, 'setTimeout');
  const connections = open(fed);
  const lines = names.map((name) => {
    const line = new Line();
    return { line, connection: connections.register(leaf(name), line) };
  });
  assert.equal(timers.mock.callCount(), 1);
  const pass = (seconds: number) => {
    for (let left = seconds; left > 0; left--) {
      fed.clock.now += 1_000;
      context.mock.timers.tick(1_000);
    }
  };
  const ended = () => [0, 1, 2].map((which) => lines.filter(({ line }, at) => at % 3 === which && line.ended).length);
  pass(3_598);
  assert.deepEqual(ended(), [0, 0, 0]);
  pass(4);
  assert.deepEqual(ended(), [100, 0, 0]);
  pass(90);
  assert.deepEqual(ended(), [100, 0, 100]);
  for (const { connection } of lines) connections.remove(connection);
  const before = timers.mock.callCount();
  pass(300);
  assert.equal(timers.mock.callCount(), before, 'nobody is left to look after');
});

test('after a snapshot everybody is judged, and who is gone from it is cut', async () => {
  const fed = new FedReplica();
  fed.change([device('truck-17', 'active')]);
  const connections = open(fed);
  const line = new Line();
  connections.register(leaf('truck-17'), line);
  const { fleet, revision, hash } = fed.replica;
  fed.replica.receive({ type: 'snapshot', fleet: fleet as never, revision, hash });
  fed.replica.receive({ type: 'complete', revision, hash });
  connections.allChanged();
  await turn();
  assert.equal(line.ended, 1);
});

test('a connection that is gone is counted and closed no more', () => {
  const fed = new FedReplica();
  fed.change([device('truck-17', 'active')]);
  const connections = open(fed);
  const gone = connections.register(leaf('truck-17'), new Line());
  assert.deepEqual([connections.size, connections.countOf(leaf('truck-17'))], [1, 1]);
  connections.remove(gone);
  connections.remove(gone);
  assert.deepEqual([connections.size, connections.countOf(leaf('truck-17'))], [0, 0]);
  connections.changed(fed.change([device('truck-17', 'off')]));
  assert.equal(connections.closed, 0);
});

test('A5: a connection whose certificate is over when it opens is denied at once', async () => {
  const fed = new FedReplica();
  const notAfter = fed.clock.now - 1_000;
  fed.change([
    { ...device('truck-17', 'active'), certificates: [{ fingerprint: fingerprintNamed('truck-17'), notAfter }] },
  ]);
  const connections = open(fed);
  const line = new Line();
  assert.equal(connections.register(leaf('truck-17'), line).denied, true);
  await turn();
  assert.equal(line.ended, 1);
});

test('P6: the types demand it: nothing is recorded without a connection that the registry holds, and it alone makes them', () => {
  const fed = new FedReplica();
  fed.change([device('truck-17', 'active')]);
  const registered = open(fed).register(leaf('truck-17'), new Line());
  const record = ({ fingerprint }: Parameters<typeof admit>[0]['connection']) => fingerprint;
  assert.deepEqual(record(registered), leaf('truck-17'));
  // @ts-expect-error who was judged without a connection
  record(new Bearer(leaf('truck-17')));
  // @ts-expect-error what has all that a connection shows
  record({ ...registered });
  assert.deepEqual(Object.keys(door), ['Connections']);
});

test('P6: a change of few that comes right after one of many is told of when all connections of both were looked at', async () => {
  const fed = new FedReplica();
  const trucks = Array.from({ length: 5_000 }, (_, index) => `truck-${index}`);
  const all = (status: string) => fed.change(trucks.map((truck) => device(truck, status)));
  all('active');
  const connections = open(fed);
  for (const truck of trucks) connections.register(leaf(truck), new Line());
  const told: [string, number][] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  connections.changed(all('off'), () => told.push(['many', connections.closed]));
  connections.changed(fed.change([device('truck-1', 'lost')]), () => {
    told.push(['few', connections.closed]);
    resolve();
  });
  await promise;
  assert.deepEqual(told, [
    ['many', 5_000],
    ['few', 5_000],
  ]);
});
