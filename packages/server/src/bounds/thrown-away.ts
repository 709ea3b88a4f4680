import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';

/** A request whose body may be thrown away: Node's own, or another that is read in the same way. */
export interface Throwable {
  readonly socket: Socket;
  readonly headers: IncomingHttpHeaders;
  /** All of it has come. */
  readonly complete: boolean;
  /** What has come of its body is handed on by this; false: nothing more is read. */
  push(piece: Buffer): boolean;
  on(event: 'data', listener: (piece: Buffer) => void): this;
  once(event: 'end' | 'close', listener: () => void): this;
  removeAllListeners(event: 'data'): this;
  resume(): this;
}

const shortBytesMax = 65_536;
const shortPiecesMax = 1_024;
/** So long has the sender to read its answer: a connection that is closed over unread bytes is reset, and an answer may go with it. */
const lastMs = 2_000;

/** More of it is to come than is read on for nothing, or nobody said how much. */
export function isLongBody({ complete, headers }: Throwable): boolean {
  if (complete) return false;
  const { 'content-length': said, 'transfer-encoding': coding } = headers;
  return coding !== undefined || Number(said ?? 0) > shortBytesMax;
}

/**
 * A body that nobody wants: a short one is read to its end. Of a longer one nothing more is read, and its connection ends. `response` given: it is
 * told and not ended yet, and the connection ends with it.
 */
export function throwAwayBody(request: Throwable, response?: { end(): void }): void {
  let [bytes, pieces] = [0, 0];
  let last = response && endSoon(request);
  request.removeAllListeners('data').on('data', (piece: Buffer) => {
    bytes += piece.length;
    if (bytes <= shortBytesMax && ++pieces <= shortPiecesMax) return;
    takeNoMore(request);
    last ??= endSoon(request);
  });
  request.resume().once('end', () => response?.end());
  request.once('close', () => clearTimeout(last));
}

/**
 * Node reads on to the mark of a paused stream, which is sixty thousand pieces of one byte, each with its own memory. What is pushed from now
 * on is dropped, and that it was too much is why the socket is read no more. There is no end either: the connection has to be ended.
 */
export function takeNoMore(request: Throwable): void {
  request.push = () => false;
}

function endSoon({ socket }: Throwable): NodeJS.Timeout {
  return setTimeout(() => socket.destroy(), lastMs).unref();
}
