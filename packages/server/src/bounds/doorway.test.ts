/** Real connections from two addresses of this machine: what one of them holds keeps the other out of nothing. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { FleetCertificates } from '../../test/fleet-certificates.ts';
import { until } from '../../test/open-front.ts';
import { Doorway, type DoorwayParts } from './bounds.ts';

const one = '127.0.0.1';
const other = '127.0.0.2';

class Door {
  readonly doorway: Doorway;
  readonly told: object[] = [];
  /** By remote port: since when it is idle. */
  readonly idle = new Map<number, number>();
  /** By remote port: whose handshake has ended. */
  readonly #open = new Set<number>();
  readonly #ca: string;
  readonly #port: number;
  readonly #context: TestContext;

  private constructor(context: TestContext, doorway: Doorway, port: number, ca: string) {
    [this.#context, this.doorway, this.#port, this.#ca] = [context, doorway, port, ca];
  }

  static async open(context: TestContext, limits: Partial<DoorwayParts>): Promise<Door> {
    const certificates = await FleetCertificates.make();
    const { key, cert } = await certificates.leaf({ subject: 'gate-1', kind: 'gate', purpose: 'server' });
    const server = createServer({ key, cert, minVersion: 'TLSv1.3' }, (socket) => {
      socket.on('error', () => undefined);
      door.#open.add(socket.remotePort ?? 0);
    });
    const bytes = { unfinishedBytesPerAddressMax: 1_048_576, unfinishedBytesMax: 1_048_576 };
    const usual = { connectionsMax: 100, pendingHandshakesMax: 100, handshakesAtOnce: 4, ...bytes };
    const idleSince = ({ remotePort = 0 }: Socket) => door.idle.get(remotePort);
    const onFull = (found: object) => door.told.push(found);
    const doorway = new Doorway({ ...usual, idleSince, onFull, monotonic: () => 0, ...limits });
    doorway.guard(server);
    server.on('tlsClientError', () => undefined).listen(0, one);
    await once(server, 'listening');
    context.after(() => server.close());
    const door = new Door(context, doorway, (server.address() as AddressInfo).port, certificates.rootPem);
    return door;
  }

  /** Says nothing, ever. */
  async silent(localAddress: string): Promise<Socket> {
    const socket = connectTcp({ host: one, port: this.#port, localAddress });
    this.#context.after(() => socket.destroy());
    socket.on('error', () => undefined).resume();
    await once(socket, 'connect');
    return socket;
  }

  /** Shakes hands. */
  async guest(localAddress: string): Promise<TLSSocket> {
    const raw = connectTcp({ host: one, port: this.#port, localAddress });
    const socket = connect({ socket: raw, ca: this.#ca, checkServerIdentity: () => undefined });
    this.#context.after(() => socket.destroy());
    socket.on('error', () => undefined).resume();
    await once(socket, 'secureConnect');
    await until(() => this.#open.has(socket.localPort ?? 0), 'the other side knows that the handshake has ended');
    return socket;
  }

  async isTurnedAway(localAddress: string): Promise<void> {
    const { turnedAway } = this.doorway.crowd;
    const socket = await this.silent(localAddress);
    if (!socket.closed) await once(socket, 'close');
    assert.equal(this.doorway.crowd.turnedAway, turnedAway + 1);
  }
}

const times = <T>(count: number, make: () => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, make));

test('P13: silent connections of one address take all places for handshakes, and another address gets in at once', async (context) => {
  const door = await Door.open(context, { pendingHandshakesMax: 5 });
  await times(5, () => door.silent(other));
  await until(() => door.doorway.pending === 5, 'all places are taken');
  await door.isTurnedAway(other);
  await door.guest(one);
  assert.deepEqual([door.doorway.crowd.displaced, door.doorway.pending], [1, 4]);
  // Now and then, not each time.
  assert.deepEqual(door.told, [{ remoteAddress: other, displaced: 0, turnedAway: 1, unfinishedBytes: 0 }]);
});

test('P13: connections of one address take all places, and another address gets in; what gives way is what was idle for longest', async (context) => {
  const door = await Door.open(context, { connectionsMax: 4 });
  const held = await times(4, () => door.guest(other));
  const ports = held.map(({ localPort = 0 }) => localPort);
  for (const [index, since] of [40, 10, undefined, 20].entries()) {
    if (since !== undefined) door.idle.set(ports[index] ?? 0, since);
  }
  const gone = once(held[1] as TLSSocket, 'close');
  await door.guest(one);
  await gone;
  assert.deepEqual([door.doorway.size, door.doorway.crowd.displaced], [4, 1]);
  const next = once(held[3] as TLSSocket, 'close');
  await door.guest(one);
  await next;
  // Two each: nobody has more than the other would have.
  await until(() => door.doorway.size === 4, 'all places are taken');
});

test('of one address alone the one that was idle for longest gives way; where none is, the new one is turned away', async (context) => {
  const door = await Door.open(context, { connectionsMax: 2 });
  const [first, second] = await times(2, () => door.guest(one));
  await door.isTurnedAway(one);
  door.idle.set(second?.localPort ?? 0, 1);
  const gone = once(second as TLSSocket, 'close');
  await door.guest(one);
  await gone;
  assert.equal(first?.destroyed, false);
});

test('who holds no more than the others keeps its places', async (context) => {
  const door = await Door.open(context, { pendingHandshakesMax: 2 });
  const silent = await Promise.all([door.silent(one), door.silent(other)]);
  await until(() => door.doorway.pending === 2, 'all places are taken');
  await door.isTurnedAway('127.0.0.3');
  await door.isTurnedAway(one);
  assert.ok(silent.every(({ destroyed }) => !destroyed));
});

test('silent connections hold up no handshake: their turns are over soon', async (context) => {
  const door = await Door.open(context, { handshakesAtOnce: 1 });
  await times(20, () => door.silent(one));
  await times(20, () => door.guest(one));
  assert.equal(door.doorway.crowd.turnedAway, 0);
});

test('nothing is left of who has gone, whether waiting, shaking hands or open', async (context) => {
  const door = await Door.open(context, { handshakesAtOnce: 2 });
  const sockets = [...(await times(10, () => door.silent(one))), ...(await times(3, () => door.guest(other)))];
  for (const socket of sockets) socket.destroy();
  await until(() => door.doorway.size === 0 && door.doorway.pending === 0, 'all have gone');
  await door.guest(one);
});
