import { isUtf8 } from 'node:buffer';
import { PortcullisError, readExactJson } from '@portcullis/contract';
import type { FastifyInstance, FastifyRequest } from 'fastify';

/**
 * Bodies are I-JSON, and each of their numbers is held as it was written: what an attribute is compared by must not be the nearest
 * number to what was asked for.
 */
export function readJsonBodies(server: FastifyInstance): void {
  server.removeAllContentTypeParsers();
  server.addContentTypeParser<Buffer>(
    'application/json',
    { parseAs: 'buffer' },
    async (_request: FastifyRequest, body: Buffer) => {
      if (!isUtf8(body)) throw new PortcullisError('request_malformed', 'the body is not UTF-8');
      const read = readExactJson(body.toString('utf8'));
      if ('refused' in read) throw new PortcullisError('request_malformed', `body: ${read.refused}`);
      return read.value;
    },
  );
}
