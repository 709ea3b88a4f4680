import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { Doorway, type DoorwayParts } from './doorway.ts';
import { boundAnswer } from './unread-answer.ts';

interface Seen {
  answering: number;
  since: number;
}

/** A listener of HTTPS with a doorway before it: a connection is idle while no request is under way on it. To be called before it listens. */
export function guarded(server: Server, parts: Omit<DoorwayParts, 'idleSince'>): Doorway {
  const { monotonic } = parts;
  const seen = new WeakMap<TLSSocket, Seen>();
  const idleSince = (socket: TLSSocket) => {
    const known = seen.get(socket);
    return known?.answering === 0 ? known.since : undefined;
  };
  const doorway = new Doorway({ ...parts, idleSince });
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
