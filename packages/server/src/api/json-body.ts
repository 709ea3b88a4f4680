import { isUtf8 } from 'node:buffer';
import { PortcullisError, readExactJson } from '@portcullis/contract';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { aTurn } from '../telemetry/telemetry.ts';
import { readBody } from './body.ts';

const bytesPerTurn = 256 * 1024;

/**
 * Bodies are I-JSON, and each of their numbers is held as it was written: what an attribute is compared by must not be the nearest
 * number to what was asked for.
 */
export function readJsonBodies(server: FastifyInstance): void {
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', async (request: FastifyRequest) => {
    const body = await readBody(request.raw, { bytesMax: request.routeOptions.bodyLimit as number });
    if (!isUtf8(body)) throw new PortcullisError('request_malformed', 'the body is not UTF-8');
    const read = readExactJson(body.toString('utf8'));
    if ('refused' in read) throw new PortcullisError('request_malformed', `body: ${read.refused}`);
    // Reading a large one and holding it against its schema are turns of their own.
    if (body.length > bytesPerTurn) await aTurn();
    return read.value;
  });
}
