import { once } from 'node:events';
import { PortcullisError, type SelectionLine, SelectionQuery } from '@portcullis/contract';
import type { Attributes } from '../attributes/attributes.ts';
import { type Call, type Route, route } from './route.ts';

export const selectionRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/selections',
    kinds: ['operator'],
    summary:
      'Which subjects an expression in CEL is true of (NDJSON): how far it is, whom it found, and at which revision',
    uses: ['attributes'],
    schemas: { query: SelectionQuery },
    handle: streamSelection,
  }),
];

/** Until it is told, or the caller goes. What is wrong with the expression is an answer of its own. */
async function streamSelection(
  { attributes }: { attributes: Attributes },
  { query, reply }: Call<{ query: typeof SelectionQuery }>,
) {
  const response = reply.raw;
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const write = async (line: SelectionLine) => {
    if (!response.headersSent) {
      reply.hijack();
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    }
    if (!response.write(`${JSON.stringify(line)}\n`)) await once(response, 'drain', { signal: gone.signal });
  };
  try {
    for await (const line of attributes.select(query.where, gone.signal)) await write(line);
  } catch (error) {
    if (!response.headersSent) throw error;
    if (!gone.signal.aborted) {
      const code = error instanceof PortcullisError ? error.code : 'internal';
      await write({
        type: 'failed',
        code,
        detail: code === 'internal' ? 'the selection broke off' : (error as Error).message,
      });
    }
  }
  response.end();
  return reply;
}
