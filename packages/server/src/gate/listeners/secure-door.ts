import type { AddressInfo, Socket } from 'node:net';
import type { Server, TLSSocket } from 'node:tls';
import { type Crowd, Doorway, listenFailure } from '../../bounds/bounds.ts';
import type { Connection, Connections, Transport } from '../connections/connections.ts';
import type { DoorNotes } from './door-notes.ts';
import { keyExchangeOf } from './key-exchange.ts';
import { addressOf, fingerprintOf, type ListenerLimits, type ServerCredential, secureOptionsOf } from './tls.ts';

export interface DoorParts {
  host: string;
  port: number;
  limits: ListenerLimits;
  connections: Connections;
  notes: DoorNotes;
  monotonic(): number;
}

/** A transport whose connection is set once, when the registry has made it. */
interface Held extends Transport {
  connection: Connection | undefined;
}

interface Way<Own extends Held> {
  make(socket: TLSSocket): Own;
  opened?(transport: Own, connection: Connection): void;
  closed?(transport: Own): void;
}

/** Readings and changes wait for no more than these. */
const handshakesAtOnce = 32;

/**
 * What every listener over mTLS has in common: bounds before the handshake, and from its end on a place in the registry. The chain is checked
 * here, the standing is not (FIELD-NOTES B4): who is refused is told why. No session is ever resumed (P3): a resumed one would carry
 * yesterday's verdict.
 */
export class SecureDoor<Own extends Held> {
  readonly #parts: DoorParts;
  readonly #server: Server;
  readonly #way: Way<Own>;
  readonly #doorway: Doorway;
  readonly #transports = new Map<Socket, Own>();
  /** One for all of them: it is called on the socket. */
  readonly #onClose: (this: Socket) => void;

  constructor(server: Server, parts: DoorParts, way: Way<Own>) {
    [this.#server, this.#parts, this.#way] = [server, parts, way];
    const { limits, monotonic, notes } = parts;
    const idleSince = (socket: TLSSocket) => this.#transports.get(socket)?.idleSince;
    const onFull: DoorNotes['crowded'] = (found, scarce) => notes.crowded(found, scarce);
    this.#doorway = new Doorway({ ...limits, handshakesAtOnce, idleSince, onFull, monotonic });
    this.#doorway.guard(server);
    const closed = (socket: Socket) => this.#closed(socket);
    this.#onClose = function onClose() {
      closed(this);
    };
    server.on('secureConnection', (socket: TLSSocket) => this.#opened(socket));
    server.on('tlsClientError', (error, socket) => this.#handshakeRefused(error, socket));
  }

  /** For want of room at all, whatever the certificate. */
  get crowd(): Crowd {
    return this.#doorway.crowd;
  }

  /** How many are open. */
  get size(): number {
    return this.#transports.size;
  }

  transportOf(socket: Socket): Own | undefined {
    return this.#transports.get(socket);
  }

  entries(): IterableIterator<[Socket, Own]> {
    return this.#transports.entries();
  }

  async listen(): Promise<number> {
    const { host, port } = this.#parts;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause: NodeJS.ErrnoException) =>
        reject(listenFailure(cause, { host, port, file: 'gate.yaml' })),
      );
      this.#server.listen({ host, port, backlog: 4_096 }, resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** For new handshakes; open connections stay with what they verified. */
  swapCredential(credential: ServerCredential): void {
    this.#server.setSecureContext(secureOptionsOf(credential));
  }

  /** Takes no new connection; what is being answered is answered, the rest ends at once. Resolves when none is left. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#doorway.endPending();
    for (const transport of [...this.#transports.values()]) transport.end();
    await closed;
  }

  #opened(socket: TLSSocket): void {
    const session = socket.getSession();
    const fingerprint = fingerprintOf(socket, session);
    const { connections, notes } = this.#parts;
    notes.opened(keyExchangeOf(session));
    if (fingerprint && !this.#hasRoom(fingerprint, socket)) {
      socket.destroy();
      return;
    }
    const transport = this.#way.make(socket);
    const connection = connections.register(fingerprint, transport);
    transport.connection = connection;
    notes.registered(connection);
    this.#transports.set(socket, transport);
    socket.on('close', this.#onClose).on('error', destroyed);
    this.#way.opened?.(transport, connection);
  }

  #closed(socket: Socket): void {
    const transport = this.#transports.get(socket);
    if (!transport?.connection) return;
    this.#transports.delete(socket);
    this.#parts.connections.remove(transport.connection);
    this.#way.closed?.(transport);
  }

  /**
   * A device that lost its network comes back before its old connections are known to be dead: the one that was silent for longest
   * gives its place to the new one. Where each has something under way, the new one is turned away.
   */
  #hasRoom(fingerprint: Buffer, { remoteAddress = '' }: Socket): boolean {
    const { connections, limits, notes } = this.#parts;
    if (connections.countOf(fingerprint) < limits.connectionsPerCertificateMax) return true;
    const displaced = connections.displace(fingerprint);
    notes.full(fingerprint, remoteAddress, displaced);
    return displaced !== undefined;
  }

  #handshakeRefused(error: NodeJS.ErrnoException, socket: TLSSocket): void {
    const { authorizationError } = socket;
    const why = authorizationError ? String(authorizationError) : (error.code ?? error.message);
    this.#parts.notes.handshakeRefused({ remoteAddress: addressOf(socket), error: why });
    socket.destroy();
  }
}

function destroyed(this: Socket): void {
  this.destroy();
}
