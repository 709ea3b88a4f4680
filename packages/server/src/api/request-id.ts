import { createHash } from 'node:crypto';
import { PortcullisError, RequestIdText, requestIdHeader } from '@portcullis/contract';
import type { FastifyRequest } from 'fastify';
import type { RequestId } from '../journal/journal.ts';
import type { Route } from './route.ts';

/**
 * The id that a retry has in common with what it repeats: the header of draft-ietf-httpapi-idempotency-key-header, quoted as there (RFC 9651
 * §3.3.3) or bare. What is asked for is the path and the body; how long a receipt is waited for may differ.
 * @throws {PortcullisError} `request_malformed`, also where the route would not keep it: the sender must not rest on it
 */
export function requestIdOf(row: Pick<Route, 'once'>, request: FastifyRequest): RequestId | undefined {
  const given = request.headers[requestIdHeader];
  if (given === undefined) return undefined;
  const { method, url, body } = request;
  const [path = ''] = url.split('?');
  if (!row.once) throw new PortcullisError('request_malformed', `${method} ${path} takes no Idempotency-Key`);
  const text = String(given).replace(/^"(.*)"$/, '$1');
  const id = RequestIdText.safeParse(text);
  if (!id.success) {
    throw new PortcullisError(
      'request_malformed',
      'the Idempotency-Key must be 8 to 64 of the characters A-Z a-z 0-9 . _ ~ -',
    );
  }
  const hash = createHash('sha256')
    .update(`${method} ${path}\n${JSON.stringify(body)}`)
    .digest('hex');
  return { id: id.data, hash };
}
