import type { IncomingMessage, ServerResponse } from 'node:http';

/** An answer may be on its way for so long, */
export const answerMs = 30_000;
/** and for a second more for each so many bytes of it: what a gate grants a request unless its file says otherwise. */
const answerBytesPerSecondMin = 1_024;

/** An answer that its client does not take ends with its connection, which it would hold for good. What is never ended, as a feed, is not bound here. */
export function boundAnswer({ socket }: IncomingMessage, response: ServerResponse): void {
  response.once('prefinish', () => {
    if (response.writableFinished) return;
    const earnedMs = (1_000 * response.writableLength) / answerBytesPerSecondMin;
    const late = setTimeout(() => socket.destroy(), answerMs + earnedMs).unref();
    response.once('close', () => clearTimeout(late));
  });
}
