import type { ServerResponse } from 'node:http';
import type { Server } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { Doorway, type DoorwayParts } from '../bounds/bounds.ts';
import type { Rooms } from './route.ts';

/** Of each listener. */
const connectionsMax = 4_096;
const pendingHandshakesMax = 256;
/** A change waits for no more than these. */
const handshakesAtOnce = 8;

interface Seen {
  answering: number;
  since: number;
}

/** Bounds who comes in at a listener of the authority. A connection is idle while no request is under way on it. */
export function guardDoor(server: Server, { system, log }: Pick<Rooms, 'system' | 'log'>): void {
  const { monotonic } = system;
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
  new Doorway({ ...bounds, idleSince, onFull, monotonic }).guard(server);
  server.on('secureConnection', (socket) => seen.set(socket, { answering: 0, since: monotonic() }));
  server.on('request', ({ socket }, response: ServerResponse) => {
    const known = seen.get(socket as TLSSocket);
    if (!known) return;
    known.answering++;
    response.once('close', () => {
      known.answering--;
      known.since = monotonic();
    });
  });
}
