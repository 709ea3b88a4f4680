import type { Server, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { addressGroup } from './address-group.ts';
import { Buckets } from './buckets.ts';
import { freePeerChains } from './peer-chains.ts';
import { Places } from './places.ts';
import { Turns } from './turns.ts';
import { UnfinishedBytes, type UnfinishedBytesTerms } from './unfinished-bytes.ts';

/** What was done since the start for want of room, or of bytes. */
export interface Crowd {
  /** Ended to make room. */
  displaced: number;
  /** Not let in. */
  turnedAway: number;
  /** What went out in handshakes that were not finished. */
  unfinishedBytes: number;
}

type Scarce = 'places' | 'bytes';

export interface DoorwayParts extends UnfinishedBytesTerms {
  /** How many connections there may be, handshakes among them. */
  connectionsMax: number;
  /** How many of them may not have ended their handshake. */
  pendingHandshakesMax: number;
  /** How many handshakes are computed at once: each takes the loop about a millisecond, and all else waits for those that have begun. */
  handshakesAtOnce: number;
  /** By the monotonic clock: since when nothing goes on there; undefined while something does. */
  idleSince(socket: TLSSocket): number | undefined;
  /** There was no room when somebody came, or too many bytes went out for nothing; told now and then. */
  onFull(found: Crowd & { remoteAddress: string }, scarce: Scarce): void;
  monotonic(): number;
}

/** A handshake over a slow link gives its turn to others meanwhile. */
const turnMs = 20;
/** Want of room is told as often as this. */
const tellMs = 10_000;
/** So many of the oldest are looked at when one has to give way. */
const lookedAtMax = 64;

export function tooManyWords(listener: string, scarce: Scarce): string {
  return scarce === 'places'
    ? `${listener} has as many connections as it may: one of the address that has most gave way, or a new one was turned away`
    : `${listener} has sent as many bytes as it may in handshakes that were not finished: a new connection was turned away`;
}

/** There is one for each connection as long as that is open: what only its handshake needs is let go after it. */
class Guest {
  readonly socket: Socket;
  readonly group: string;
  /** Asked when it comes: a socket that is closed knows its peer no more. Empty from the end of its handshake on. */
  peer: string;
  #start: (() => void) | undefined;
  /** Its handshake has ended. */
  open: TLSSocket | undefined;
  hasLeft = false;

  constructor(socket: Socket, start: () => void) {
    this.socket = socket;
    this.group = addressGroup(socket.remoteAddress ?? '');
    this.peer = peerOf(socket);
    this.#start = start;
  }

  begin(): boolean {
    if (this.socket.destroyed) return false;
    this.#start?.();
    this.#start = undefined;
    return true;
  }

  leave(): void {
    (this.open ?? this.socket).destroy();
  }
}

/**
 * Stands before TLS. While there is room everybody comes in. When there is none, one of the address that has most gives way to one of an address
 * that has less, and of one and the same address the connection that was idle for longest to a new one. Handshakes take turns. Who had more bytes than he may in
 * handshakes that were not finished is turned away before anything is said.
 */
export class Doorway {
  readonly #parts: DoorwayParts;
  readonly #connections: Places<Guest>;
  readonly #pending: Places<Guest>;
  readonly #turns: Turns;
  readonly #unfinished: UnfinishedBytes;
  /** Those whose handshake has not ended, by remote address and port, which is what a TLS socket and the TCP socket below it share. */
  readonly #byPeer = new Map<string, Guest>();
  readonly #bySocket = new Map<Socket, Guest>();
  /** One for all of them: it is called on the socket. */
  readonly #onClose: (this: Socket) => void;
  #displaced = 0;
  #turnedAway = 0;
  readonly #telling: Buckets;

  constructor(parts: DoorwayParts) {
    this.#telling = new Buckets({ burst: 1, everyMs: tellMs, monotonic: parts.monotonic });
    this.#parts = parts;
    this.#connections = new Places(parts.connectionsMax);
    this.#pending = new Places(parts.pendingHandshakesMax);
    this.#turns = new Turns(parts.handshakesAtOnce, turnMs);
    this.#unfinished = new UnfinishedBytes(parts, parts);
    const closed = (socket: Socket) => this.#closed(socket);
    this.#onClose = function onClose() {
      closed(this);
    };
  }

  /** To be called before the server listens. */
  guard(server: Server): void {
    freePeerChains();
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

  get crowd(): Crowd {
    const { total: unfinishedBytes } = this.#unfinished;
    return { displaced: this.#displaced, turnedAway: this.#turnedAway, unfinishedBytes };
  }

  endPending(): void {
    for (const guest of [...this.#pending.all()]) guest.leave();
  }

  #arrived(socket: Socket, start: () => void): void {
    // A peer that resets its connection while it waits for its turn.
    socket.on('error', destroyed);
    const guest: Guest = new Guest(socket, () => {
      // While it waited for its turn, others of its address may have hung up.
      if (this.#unfinished.mayBegin(guest.group)) start();
      else this.#turnAway(guest, 'bytes');
    });
    if (!this.#unfinished.mayBegin(guest.group)) return this.#turnAway(guest, 'bytes');
    if (!this.#hasRoom(guest)) return this.#turnAway(guest, 'places');
    this.#byPeer.set(guest.peer, guest);
    this.#connections.take(guest.group, guest);
    this.#pending.take(guest.group, guest);
    this.#bySocket.set(socket, guest);
    socket.on('close', this.#onClose);
    this.#turns.ask(guest.group, guest);
  }

  #opened(socket: TLSSocket): void {
    const guest = this.#byPeer.get(peerOf(socket));
    if (!guest) return;
    guest.open = socket;
    this.#forget(guest);
    this.#unfinished.finished(guest.group, guest.socket.bytesWritten);
    this.#pending.leave(guest.group, guest);
    this.#turns.end(guest);
  }

  #closed(socket: Socket): void {
    const guest = this.#bySocket.get(socket);
    if (!guest) return;
    this.#bySocket.delete(socket);
    this.#forget(guest);
    this.#left(guest);
  }

  #forget(guest: Guest): void {
    if (this.#byPeer.get(guest.peer) === guest) this.#byPeer.delete(guest.peer);
    guest.peer = '';
  }

  #left(guest: Guest): void {
    if (!guest.hasLeft && !guest.open) this.#unfinished.unfinished(guest.group, guest.socket.bytesWritten);
    guest.hasLeft = true;
    this.#connections.leave(guest.group, guest);
    this.#pending.leave(guest.group, guest);
    this.#turns.end(guest);
  }

  #turnAway(guest: Guest, scarce: Scarce): void {
    this.#turnedAway++;
    this.#tell(guest, scarce);
    guest.socket.destroy();
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
    this.#tell(guest, 'places');
    guest.leave();
    // Not when it is closed, which comes later: the next one that arrives has to find the place taken or free.
    this.#left(guest);
    return true;
  }

  #tell({ socket }: Guest, scarce: Scarce): void {
    if (!this.#telling.take(scarce)) return;
    const { remoteAddress = '' } = socket;
    this.#parts.onFull({ remoteAddress, ...this.crowd }, scarce);
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

function destroyed(this: Socket): void {
  this.destroy();
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
