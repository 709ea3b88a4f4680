import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { PortcullisError } from '@portcullis/contract';
import type { Call, Rooms } from './route.ts';
import { whileAdmitted } from './while-admitted.ts';

type Write = (piece: string | Uint8Array) => Promise<void>;

/**
 * An answer of lines that has no end of its own. It ends when the caller goes, when the authority stops, and at once when the caller is no
 * longer admitted; and when it reads too slowly: what is read for it from the store is held there until it was sent.
 */
export async function streamed(
  rooms: Pick<Rooms, 'feed' | 'journal' | 'revocation' | 'system' | 'log'>,
  { peer, reply }: Pick<Call<Record<never, never>>, 'peer' | 'reply'>,
  work: (write: Write, signal: AbortSignal) => Promise<void>,
) {
  const { feed, log } = rooms;
  const gone = new AbortController();
  const response = reply.raw;
  response.once('close', () => gone.abort());
  const write: Write = async (piece) => {
    if (!response.headersSent) {
      reply.hijack();
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    }
    if (!response.write(piece)) await drained(response, { within: feed.leaseMs, unless: gone.signal });
  };
  try {
    await whileAdmitted(rooms, peer, async (admitted) => {
      // Also a feed that waits for a slow reader ends at once.
      admitted.addEventListener('abort', () => response.destroy());
      await work(write, AbortSignal.any([gone.signal, admitted]));
    });
  } catch (error) {
    if (!response.headersSent) throw error;
    if (!gone.signal.aborted) log.warn({ err: error }, 'a feed broke off');
  } finally {
    if (response.headersSent) response.destroy();
  }
  return reply;
}

/** A gate that does not take what it is sent for as long as a lease lasts has none any more. */
async function drained(response: ServerResponse, { within, unless }: { within: number; unless: AbortSignal }) {
  const late = AbortSignal.timeout(within);
  try {
    await once(response, 'drain', { signal: AbortSignal.any([unless, late]) });
  } catch (cause) {
    if (unless.aborted || !late.aborted) throw cause;
    throw new PortcullisError('server_unreachable', `the peer has not read its feed for ${within} ms`, { cause });
  }
}
