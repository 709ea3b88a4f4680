import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { FedReplica, fingerprintNamed } from '../../../test/fed-replica.ts';
import { type Connection, Connections } from './connections.ts';
import { TwoPlaces } from './two-places.ts';

/** A gate's registry, and whose certificate it holds for being in two places. */
function opened(count = 1) {
  const fed = new FedReplica();
  const names = Array.from({ length: count }, (_, number) => `truck-${number + 1}`);
  fed.change(names.map((subject) => ({ subject, certificates: [{ fingerprint: fingerprintNamed(subject) }] })));
  const connections = new Connections({
    replica: fed.replica,
    validityTime: () => fed.clock.now,
    isAdmissible: () => true,
  });
  const places = new TwoPlaces({ connections, monotonic: () => fed.clock.now, log: pino({ level: 'silent' }) });
  const come = (remoteAddress: string, subject = 'truck-1'): Connection => {
    const transport = {
      remoteAddress,
      idleSince: 0,
      stalledSince: undefined,
      end: () => undefined,
      drop: () => undefined,
    };
    const connection = connections.register(Buffer.from(fingerprintNamed(subject), 'hex'), transport);
    places.opened(connection);
    return connection;
  };
  const leave = (connection: Connection) => connections.remove(connection);
  const told = () => places.told().map(({ subject }) => subject as string);
  return { clock: fed.clock, places, come, leave, told };
}

test('a certificate that takes its place from itself, there and back, is live from two places; for a minute after the last time', () => {
  const { clock, places, come, leave, told } = opened();
  let open = come('192.0.2.1');
  for (const [address, outcome] of [
    ['198.51.100.7', []],
    ['192.0.2.1', []],
    ['198.51.100.7', ['truck-1']],
  ] as const) {
    clock.now += 5_000;
    const next = come(address);
    leave(open);
    open = next;
    assert.deepEqual(told(), outcome, address);
  }
  assert.equal(places.told()[0]?.certificate, fingerprintNamed('truck-1'));
  clock.now += 59_000;
  assert.deepEqual(told(), ['truck-1']);
  clock.now += 1_001;
  assert.deepEqual([told(), places.size], [[], 0], 'and no address is known any more');
});

test('two that both stay connected are told apart by their readings', () => {
  const { clock, come, places, told } = opened();
  const [one, other] = [come('192.0.2.1'), come('2001:db8::1')];
  for (const connection of [one, one, other, other, one]) {
    clock.now += 10_000;
    places.used(connection);
  }
  assert.deepEqual(told(), ['truck-1']);
});

const quiet: [string, (gate: ReturnType<typeof opened>) => void][] = [
  [
    'a device that moves, and whose old connection is not known to be dead',
    ({ clock, come, places }) => {
      come('192.0.2.1');
      const moved = come('198.51.100.7');
      for (let count = 0; count < 10; count++) {
        clock.now += 1_000;
        places.used(moved);
      }
    },
  ],
  [
    'one that moves on and on',
    ({ clock, come }) => {
      for (let number = 1; number < 20; number++) {
        clock.now += 1_000;
        come(`192.0.2.${number}`);
      }
    },
  ],
  [
    'one whose line leaves by several addresses, a connection after the other',
    ({ clock, come, leave }) => {
      for (let number = 0; number < 20; number++) {
        clock.now += 1_000;
        leave(come(`192.0.2.${number % 2}`));
      }
    },
  ],
  [
    'one that changes its address within its network',
    ({ come }) => {
      for (let number = 0; number < 10; number++) come(`2001:db8::${(number % 2) + 1}`);
    },
  ],
  [
    'one that is there and back within an hour',
    ({ clock, come }) => {
      for (let number = 0; number < 10; number++) {
        clock.now += 61_000;
        come(`192.0.2.${number % 2}`);
      }
    },
  ],
];

for (const [what, go] of quiet) {
  test(`nothing is told of ${what}`, () => {
    const gate = opened();
    go(gate);
    assert.deepEqual(gate.told(), []);
  });
}

test('P13: what is watched and what is told are bounded', () => {
  const { come, told, places } = opened(10_002);
  for (let number = 1; number <= 10_002; number++) {
    for (let time = 0; time < 4; time++) come(`192.0.2.${time % 2}`, `truck-${number}`);
  }
  assert.equal(places.size, 10_000);
  assert.equal(told().length, 20);
});
