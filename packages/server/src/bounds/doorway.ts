import type { Server, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { addressGroup } from './address-group.ts';
import { Buckets } from './buckets.ts';
import { Places } from './places.ts';
import { Turns } from './turns.ts';

export interface DoorwayParts {
  /** How many connections there may be, handshakes among them. */
  connectionsMax: number;
  /** How many of them may not have ended their handshake. */
  pendingHandshakesMax: number;
  /** How many handshakes are computed at once: each takes the loop about a millisecond, and all else waits for those that have begun. */
  handshakesAtOnce: number;
  /** By the monotonic clock: since when nothing goes on there; undefined while something does. */
  idleSince(socket: TLSSocket): number | undefined;
  /** There was no room when somebody came, told now and then: what was done for want of it since the start. */
  onFull(found: { remoteAddress: string; displaced: number; turnedAway: number }): void;
  monotonic(): number;
}

/** A handshake over a slow link gives its turn to others meanwhile. */
const turnMs = 20;
/** Want of room is told as often as this. */
const tellMs = 10_000;
/** So many of the oldest are looked at when one has to give way. */
const lookedAtMax = 64;

class Guest {
  readonly socket: Socket;
  readonly group: string;
  readonly #start: () => void;
  /** Its handshake has ended. */
  open: TLSSocket | undefined;

  constructor(socket: Socket, start: () => void) {
    this.socket = socket;
    this.group = addressGroup(socket.remoteAddress ?? '');
    this.#start = start;
  }

  begin(): boolean {
    if (this.socket.destroyed) return false;
    this.#start();
    return true;
  }

  leave(): void {
    (this.open ?? this.socket).destroy();
  }
}

/**
 * Stands before TLS. While there is room everybody comes in. When there is none, one of the address that has most gives way to one of an address
 * that has less, and of one and the same address the connection that was idle for longest to a new one. Handshakes take turns.
 */
export class Doorway {
  readonly #parts: DoorwayParts;
  readonly #connections: Places<Guest>;
  readonly #pending: Places<Guest>;
  readonly #turns: Turns;
  /** By remote address and port, which is what a TLS socket and the TCP socket below it share. */
  readonly #byPeer = new Map<string, Guest>();
  #displaced = 0;
  #turnedAway = 0;
  readonly #telling: Buckets;

  constructor(parts: DoorwayParts) {
    this.#telling = new Buckets({ burst: 1, everyMs: tellMs, monotonic: parts.monotonic });
    this.#parts = parts;
    this.#connections = new Places(parts.connectionsMax);
    this.#pending = new Places(parts.pendingHandshakesMax);
    this.#turns = new Turns(parts.handshakesAtOnce, turnMs);
  }

  /** To be called before the server listens. */
  guard(server: Server): void {
    const begin = server.listeners('connection') as ((socket: Socket) => void)[];
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      this.#arrived(socket, () => {
        for (const listener of begin) listener.call(server, socket);
      });
    });
    server.on('secureConnection', (socket: TLSSocket) => this.#opened(socket));
  }

  get size(): number {
    return this.#connections.size;
  }

  get pending(): number {
    return this.#pending.size;
  }

  /** Ended since the start to make room. */
  get displaced(): number {
    return this.#displaced;
  }

  /** Not let in since the start. */
  get turnedAway(): number {
    return this.#turnedAway;
  }

  endPending(): void {
    for (const guest of [...this.#pending.all()]) guest.leave();
  }

  #arrived(socket: Socket, start: () => void): void {
    // A peer that resets its connection while it waits for its turn.
    socket.on('error', () => socket.destroy());
    const guest = new Guest(socket, start);
    if (!this.#hasRoom(guest)) {
      this.#turnedAway++;
      this.#tell(guest);
      socket.destroy();
      return;
    }
    // Asked now, a socket still knows its peer when it is closed.
    const peer = peerOf(socket);
    this.#byPeer.set(peer, guest);
    this.#connections.take(guest.group, guest);
    this.#pending.take(guest.group, guest);
    socket.once('close', () => {
      if (this.#byPeer.get(peer) === guest) this.#byPeer.delete(peer);
      this.#left(guest);
    });
    this.#turns.ask(guest.group, guest);
  }

  #opened(socket: TLSSocket): void {
    const guest = this.#byPeer.get(peerOf(socket));
    if (!guest) return;
    guest.open = socket;
    this.#pending.leave(guest.group, guest);
    this.#turns.end(guest);
  }

  #left(guest: Guest): void {
    this.#connections.leave(guest.group, guest);
    this.#pending.leave(guest.group, guest);
    this.#turns.end(guest);
  }

  #hasRoom({ group }: Guest): boolean {
    if (this.#connections.isFull) {
      const others = lookedAt(this.#connections.givingWayTo(group));
      const chosen = this.#longestIdle(others) ?? others[0] ?? this.#longestIdle(lookedAt(this.#connections.of(group)));
      if (!this.#displace(chosen)) return false;
    }
    return !this.#pending.isFull || this.#displace(lookedAt(this.#pending.givingWayTo(group))[0]);
  }

  #displace(guest: Guest | undefined): boolean {
    if (!guest) return false;
    this.#displaced++;
    this.#tell(guest);
    guest.leave();
    // Not when it is closed, which comes later: the next one that arrives has to find the place taken or free.
    this.#left(guest);
    return true;
  }

  #tell({ socket }: Guest): void {
    if (!this.#telling.take('')) return;
    const { remoteAddress = '' } = socket;
    this.#parts.onFull({ remoteAddress, displaced: this.#displaced, turnedAway: this.#turnedAway });
  }

  #longestIdle(guests: readonly Guest[]): Guest | undefined {
    const since = ({ open }: Guest) => (open ? this.#parts.idleSince(open) : undefined) ?? Number.POSITIVE_INFINITY;
    const [first] = guests.toSorted((one, other) => since(one) - since(other));
    return first && since(first) < Number.POSITIVE_INFINITY ? first : undefined;
  }
}

function lookedAt(guests: Iterable<Guest>): Guest[] {
  const looked: Guest[] = [];
  for (const guest of guests) {
    if (looked.length >= lookedAtMax) break;
    looked.push(guest);
  }
  return looked;
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
