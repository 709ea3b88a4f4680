import type { Server } from 'node:https';
import { type Doorway, type DoorwayParts, guarded } from '../bounds/bounds.ts';
import type { Log, System } from '../telemetry/telemetry.ts';

/** Of each listener. */
const connectionsMax = 4_096;
export const pendingHandshakesMax = 256;
/** A change waits for no more than these. */
const handshakesAtOnce = 8;

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
    this.#doorways.set(listener, guard(server, this.#parts));
  }

  list(): { listener: string; connections: number; displaced: number; turnedAway: number }[] {
    return [...this.#doorways].map(([listener, { size: connections, displaced, turnedAway }]) => ({
      ...{ listener, connections, displaced, turnedAway },
    }));
  }
}

function guard(server: Server, { system: { monotonic }, log }: Parts): Doorway {
  const onFull: DoorwayParts['onFull'] = (found) =>
    log.warn(
      found,
      'a listener has as many connections as it may: one of the address that has most gave way, or a new one was turned away',
    );
  return guarded(server, { connectionsMax, pendingHandshakesMax, handshakesAtOnce, onFull, monotonic });
}
