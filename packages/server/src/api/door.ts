import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { boundAnswer, Doorway, type DoorwayParts } from '../bounds/bounds.ts';
import type { Log, System } from '../telemetry/telemetry.ts';

/** Of each listener. */
const connectionsMax = 4_096;
export const pendingHandshakesMax = 256;
/** A change waits for no more than these. */
const handshakesAtOnce = 8;

interface Seen {
  answering: number;
  since: number;
}

interface Parts {
  system: Pick<System, 'monotonic'>;
  log: Log;
}

/** The listeners of the authority: each bounds who comes in there, and counts who had no room. */
export class Doors {
  readonly #parts: Parts;
  readonly #doorways = new Map<string, Doorway>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** To be called before the server listens. */
  guard(listener: string, server: Server): void {
    this.#doorways.set(listener, guarded(server, this.#parts));
  }

  list(): { listener: string; connections: number; displaced: number; turnedAway: number }[] {
    return [...this.#doorways].map(([listener, { size: connections, displaced, turnedAway }]) => ({
      ...{ listener, connections, displaced, turnedAway },
    }));
  }
}

/** A connection is idle while no request is under way on it. */
function guarded(server: Server, { system: { monotonic }, log }: Parts): Doorway {
  const seen = new WeakMap<TLSSocket, Seen>();
  const idleSince = (socket: TLSSocket) => {
    const known = seen.get(socket);
    return known?.answering === 0 ? known.since : undefined;
  };
  const onFull: DoorwayParts['onFull'] = (found) =>
    log.warn(
      found,
      'a listener has as many connections as it may: one of the address that has most gave way, or a new one was turned away',
    );
  const bounds = { connectionsMax, pendingHandshakesMax, handshakesAtOnce };
  const doorway = new Doorway({ ...bounds, idleSince, onFull, monotonic });
  doorway.guard(server);
  server.on('secureConnection', (socket) => seen.set(socket, { answering: 0, since: monotonic() }));
  // Before the answer, which may be there at once.
  server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    boundAnswer(request, response);
    const known = seen.get(request.socket as TLSSocket);
    if (!known) return;
    known.answering++;
    response.once('close', () => {
      known.answering--;
      known.since = monotonic();
    });
  });
  return doorway;
}
