import type { Server } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { Buckets, type Crowd, type Doorway, type DoorwayParts, guarded, tooManyWords } from '../bounds/bounds.ts';
import type { Log, System } from '../telemetry/telemetry.ts';

/** Of each listener. */
const connectionsMax = 4_096;
export const pendingHandshakesMax = 256;
/** A change waits for no more than these. */
const handshakesAtOnce = 8;
/** Many may come that were cut off at once. */
const untrustedTellMs = 1_000;
/** A minute, in handshakes that are not finished. */
const unfinishedBytesPerAddressMax = 16 * 1_048_576;
const unfinishedBytesMax = 256 * 1_048_576;
const terms = {
  connectionsMax,
  pendingHandshakesMax,
  handshakesAtOnce,
  unfinishedBytesPerAddressMax,
  unfinishedBytesMax,
};

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

  list(): ({ listener: string; connections: number } & Crowd)[] {
    return [...this.#doorways].map(([listener, { size: connections, crowd }]) => ({ listener, connections, ...crowd }));
  }
}

function guard(server: Server, { system: { monotonic }, log }: Parts): Doorway {
  tellUntrusted(server, { monotonic, log });
  const onFull: DoorwayParts['onFull'] = (found, scarce) => log.warn(found, tooManyWords('a listener', scarce));
  return guarded(server, { ...terms, onFull, monotonic });
}

/** TLS breaks such a handshake off without a word to who comes; why is told here (P10), each second one of them at most. */
function tellUntrusted(server: Server, { monotonic, log }: { monotonic(): number; log: Log }): void {
  const telling = new Buckets({ burst: 1, everyMs: untrustedTellMs, monotonic });
  const words =
    'who came was refused in the handshake, for its client certificate or for want of one; one of a root that was retired comes back by "join --replace"';
  server.on('tlsClientError', (_error, { authorizationError }: TLSSocket) => {
    if (authorizationError && telling.take('untrusted')) log.warn({ error: String(authorizationError) }, words);
  });
}
