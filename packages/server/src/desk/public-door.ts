import type { IncomingMessage } from 'node:http';
import { PortcullisError, readPublicCode } from '@portcullis/contract';
import type { Publication } from '../publication/publication.ts';
import { readDigitalLink } from '../trade/trade.ts';
import type { Told } from './answering.ts';
import { askedByPage, type CheckpointPage } from './checkpoint-page.ts';
import { pathOf, requireMethod } from './front.ts';
import type { LookUps } from './look-ups.ts';
import type { Relaying } from './relaying.ts';

interface Parts {
  lookUps: LookUps;
  publication: Publication;
  page: CheckpointPage;
  relaying: Pick<Relaying, 'answer'>;
}

/** How the GS1 Digital Link of a load begins. */
const tradeKeys = /^\/0[01]\//;

/** What anybody may ask of a desk: a subject by its id, a shipment by its code; and the page of checkpoints, with what that asks of the authority. */
export class PublicDoor {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** `from`: who asks, where another than the one who is connected. */
  async answer(request: IncomingMessage, from = request.socket.remoteAddress ?? ''): Promise<Told> {
    const { lookUps, publication, page, relaying } = this.#parts;
    const link = tradeKeys.test(request.url ?? '') ? readDigitalLink(request.url ?? '') : undefined;
    if (link) return ledOn(request, link.query);
    const path = pathOf(request);
    if (page.takes(path)) return page.answer(request);
    if (askedByPage.has(path)) return relaying.answer(request, from);
    if (lookUps.takes(path)) return lookUps.answer(request, from);
    if (!publication.takes(path)) throw new PortcullisError('route_unknown', 'the public listener has no such route');
    requireMethod(request, 'what a code leads to', 'GET');
    const { accept, 'accept-language': acceptLanguage, 'if-none-match': ifNoneMatch } = request.headers;
    return publication.answer({ path, from, accept, acceptLanguage, ifNoneMatch });
  }
}

/**
 * A GS1 Digital Link names a load in numbers that anybody may count through: it leads to the page only with the code.
 * @throws {PortcullisError} `subject_unknown`, `method_not_allowed`
 */
function ledOn(request: IncomingMessage, query: URLSearchParams): Told {
  requireMethod(request, 'a GS1 Digital Link', 'GET');
  const code = readPublicCode(query.get('code') ?? '');
  if (code === undefined)
    throw new PortcullisError('subject_unknown', 'such a link leads somewhere only with the code of a shipment');
  const headers = { location: `/v/${code}`, 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' };
  return { status: 303, headers, body: '' };
}
