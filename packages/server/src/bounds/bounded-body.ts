import type { IncomingMessage } from 'node:http';
import { PortcullisError } from '@portcullis/contract';
import { GrowingBody } from './growing-body.ts';

/**
 * The body of a request, of so many bytes at most; `tooLarge` says to people what is allowed. The rest of one that is refused is left to whoever answers.
 * @throws {PortcullisError} `request_too_large`, `request_malformed`
 */
export async function boundedBody(request: IncomingMessage, bytesMax: number, tooLarge: string): Promise<Buffer> {
  const body = new GrowingBody(bytesMax);
  try {
    for await (const piece of request.iterator({ destroyOnReturn: false }))
      if (body.add(piece as Buffer)) throw new PortcullisError('request_too_large', tooLarge);
  } catch (error) {
    if (error instanceof PortcullisError) throw error;
    throw new PortcullisError('request_malformed', 'the request ended before its body', { cause: error });
  }
  return body.end();
}
