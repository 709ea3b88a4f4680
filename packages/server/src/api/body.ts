import type { IncomingMessage } from 'node:http';
import { PortcullisError } from '@portcullis/contract';
import { type BodyRefused, type Budget, GrowingBody, takeNoMore } from '../bounds/bounds.ts';

export interface BodyBounds {
  bytesMax: number;
  /** Memory that several bodies share, and what is said where there is no more. */
  shared?: { budget: Budget; noRoom(): PortcullisError };
}

/** What is refused is not kept, and its end is not waited for. @throws {PortcullisError} `request_too_large` */
export async function readBody(raw: IncomingMessage, { bytesMax, shared }: BodyBounds): Promise<Buffer> {
  const said = Number(raw.headers['content-length'] ?? 0);
  if (said > bytesMax) throw tooLarge('too_large', bytesMax);
  const body = new GrowingBody(said || bytesMax, shared?.budget);
  return new Promise((resolve, reject) => {
    const receive = (piece: Buffer) => {
      const refused = body.add(piece);
      if (!refused) return;
      takeNoMore(raw);
      raw.off('data', receive);
      body.letGo();
      reject(refused === 'no_room' && shared ? shared.noRoom() : tooLarge(refused, bytesMax));
    };
    raw.on('data', receive);
    raw.once('end', () => resolve(body.end()));
    raw.once('error', (cause) => {
      body.letGo();
      reject(new PortcullisError('request_malformed', 'the body broke off', { cause }));
    });
  });
}

function tooLarge(refused: BodyRefused, bytesMax: number): PortcullisError {
  const words = refused === 'too_many_pieces' ? 'comes in too many pieces' : `is larger than ${bytesMax} bytes`;
  return new PortcullisError('request_too_large', `the body ${words}`);
}
