import type { IncomingMessage } from 'node:http';
import { PortcullisError } from '@portcullis/contract';
import { addressGroup, boundedBody, Places } from '../bounds/bounds.ts';
import type { Told } from './answering.ts';
import { pathOf, requireMethod, requireType } from './front.ts';
import type { DeskLimits } from './promises.ts';
import { type Relayed, relayedPaths } from './relay.ts';

const bodyBytesMax = 64 * 1024;

interface Parts {
  limits: Pick<DeskLimits, 'relayedMax' | 'relayedPerAddressMax'>;
  relay(asked: Relayed): Promise<Told>;
}

/** What strangers want of the authority: so many at once, of all and of one address; what is nothing to relay goes no further. */
export class Relaying {
  readonly #parts: Parts;
  readonly #places: Places<IncomingMessage>;
  #relayed = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#places = new Places(parts.limits.relayedMax);
  }

  get relayed(): number {
    return this.#relayed;
  }

  /** `from`: who asks, where another than the one who is connected. */
  async answer(request: IncomingMessage, from = request.socket.remoteAddress ?? ''): Promise<Told> {
    const path = pathOf(request);
    if (!relayedPaths.has(path)) throw new PortcullisError('route_unknown', 'a desk has no such route');
    requireMethod(request, path, 'POST');
    requireType(request, 'application/json');
    const body = await bodyOf(request, bodyBytesMax);
    return this.taken(request, from, () => this.#parts.relay({ path, from, body }));
  }

  /** For the time of this work, which asks the authority, the request has a place. @throws {PortcullisError} `desk_busy` */
  async taken<T>(request: IncomingMessage, from: string, work: () => Promise<T>): Promise<T> {
    const group = addressGroup(from);
    if (this.#places.isFull || this.#places.countOf(group) >= this.#parts.limits.relayedPerAddressMax)
      throw new PortcullisError('desk_busy', 'the desk relays as much as it may; try again in a moment');
    this.#places.take(group, request);
    try {
      const told = await work();
      this.#relayed++;
      return told;
    } finally {
      this.#places.leave(group, request);
    }
  }
}

/** @throws {PortcullisError} `request_too_large`, `request_malformed` */
export const bodyOf = (request: IncomingMessage, bytesMax: number): Promise<Buffer> =>
  boundedBody(request, bytesMax, `a desk takes ${bytesMax} bytes`);
