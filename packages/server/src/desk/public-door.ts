import type { IncomingMessage } from 'node:http';
import { PortcullisError } from '@portcullis/contract';
import type { Publication } from '../publication/publication.ts';
import { pathOf, requireMethod, type Told } from './front.ts';
import type { LookUps } from './look-ups.ts';

interface Parts {
  lookUps: LookUps;
  publication: Publication;
}

/** What anybody may ask of a desk: a subject by its id, and a shipment by its code. */
export class PublicDoor {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** `from`: who asks, where another than the one who is connected. */
  async answer(request: IncomingMessage, from = request.socket.remoteAddress ?? ''): Promise<Told> {
    const { lookUps, publication } = this.#parts;
    const path = pathOf(request);
    if (lookUps.takes(path)) return lookUps.answer(request, from);
    if (!publication.takes(path)) throw new PortcullisError('route_unknown', 'the public listener has no such route');
    requireMethod(request, 'what a code leads to', 'GET');
    const { accept, 'accept-language': acceptLanguage, 'if-none-match': ifNoneMatch } = request.headers;
    return publication.answer({ path, from, accept, acceptLanguage, ifNoneMatch });
  }
}
