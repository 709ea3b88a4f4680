import type { IncomingMessage, ServerResponse } from 'node:http';

/** An answer may be on its way for so long, */
export const answerMs = 30_000;
/** and for a second more for each so many bytes of it: what a gate grants a request unless its file says otherwise. */
const answerBytesPerSecondMin = 1_024;

/** How long a client may take for an answer of which so much is not taken yet. */
export const answerMsOf = (bytes: number) => answerMs + (1_000 * bytes) / answerBytesPerSecondMin;

/** An answer that its client does not take ends with its connection, which it would hold for good. What is never ended, as a feed, is not bound here. */
export function boundAnswer({ socket }: IncomingMessage, response: ServerResponse): void {
  response.once('prefinish', () => {
    if (response.writableFinished) return;
    const late = setTimeout(() => socket.destroy(), answerMsOf(response.writableLength)).unref();
    response.once('close', () => clearTimeout(late));
  });
}
