import { isUtf8 } from 'node:buffer';
import { PortcullisError, readExactJson } from '@portcullis/contract';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type BodyRefused, GrowingBody, takeNoMore } from '../bounds/bounds.ts';
import { aTurn } from '../telemetry/telemetry.ts';

const bytesPerTurn = 256 * 1024;

/**
 * Bodies are I-JSON, and each of their numbers is held as it was written: what an attribute is compared by must not be the nearest
 * number to what was asked for.
 */
export function readJsonBodies(server: FastifyInstance): void {
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', async (request: FastifyRequest) => {
    const body = await bodyOf(request);
    if (!isUtf8(body)) throw new PortcullisError('request_malformed', 'the body is not UTF-8');
    const read = readExactJson(body.toString('utf8'));
    if ('refused' in read) throw new PortcullisError('request_malformed', `body: ${read.refused}`);
    // Reading a large one and holding it against its schema are turns of their own.
    if (body.length > bytesPerTurn) await aTurn();
    return read.value;
  });
}

/** What is refused is not kept, and its end is not waited for. @throws {PortcullisError} `request_too_large` */
async function bodyOf({ raw, routeOptions }: FastifyRequest): Promise<Buffer> {
  const bytesMax = routeOptions.bodyLimit as number;
  const said = Number(raw.headers['content-length'] ?? 0);
  if (said > bytesMax) throw tooLarge('too_large', bytesMax);
  const body = new GrowingBody(said || bytesMax);
  return new Promise((resolve, reject) => {
    const receive = (piece: Buffer) => {
      const refused = body.add(piece);
      if (!refused) return;
      takeNoMore(raw);
      raw.off('data', receive);
      body.letGo();
      reject(tooLarge(refused, bytesMax));
    };
    raw.on('data', receive);
    raw.once('end', () => resolve(body.end()));
    raw.once('error', (cause) => reject(new PortcullisError('request_malformed', 'the body broke off', { cause })));
  });
}

function tooLarge(refused: BodyRefused, bytesMax: number): PortcullisError {
  const words = refused === 'too_many_pieces' ? 'comes in too many pieces' : `is larger than ${bytesMax} bytes`;
  return new PortcullisError('request_too_large', `the body ${words}`);
}
