/** Who stands between authority and gate with a certificate of the fleet, and can do to the feed's lines what he likes. */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { FeedMessage } from '@portcullis/contract';
import { type Credential, Link } from '@portcullis/device';
import { Tally } from '../../../src/feed/tally.ts';
import type { Forged } from '../man-in-the-middle/interception.ts';

/** What becomes of one line that tells a change: the lines in its place, or the feed torn after a part of it. */
export type Tampering = (line: string) => string[] | { tornAfter: string };

interface Parts {
  forged: Forged;
  /** Of the gate: the authority is asked as the gate would ask it. */
  credential(): Credential;
  authority: string;
}

export class TamperedFeed {
  /** What the gate has told of itself, in order. */
  readonly applied: number[] = [];
  /** How often the feed was asked for, and how often from a snapshot on. */
  asked = 0;
  snapshots = 0;
  tampering: Tampering = (line) => [line];
  readonly #parts: Parts;
  readonly #server;
  readonly #links = new Set<Link>();

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.#server = createServer({ key: parts.forged.key, cert: parts.forged.cert }, (asked, answer) => {
      // One side has ended: so does the other, as over a wire.
      this.#pass(asked, answer).catch(() => answer.destroy());
    });
  }

  static async open(parts: Parts, port: number): Promise<TamperedFeed> {
    const feed = new TamperedFeed(parts);
    feed.#server.listen(port, '127.0.0.1');
    await once(feed.#server, 'listening');
    return feed;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const link of this.#links) link.close();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #pass(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const body = await buffer(asked);
    this.#note(asked.url ?? '', body);
    const gone = new AbortController();
    answer.once('close', () => gone.abort());
    const link = this.#link();
    try {
      const from = await link.stream({
        url: this.#parts.authority + asked.url,
        method: asked.method as 'GET' | 'POST',
        // Who takes less than a gate of today is told less.
        headers: { accept: asked.headers.accept ?? '' },
        ...(body.length > 0 && { body }),
        signal: gone.signal,
      });
      answer.writeHead(from.statusCode ?? 500, { 'content-type': from.headers['content-type'] ?? '' });
      if (asked.url?.startsWith('/v1/feed')) await this.#passLines(from, answer);
      else answer.end(await buffer(from));
    } finally {
      this.#links.delete(link);
      link.close();
    }
  }

  #link(): Link {
    const credential = this.#parts.credential();
    const { roots, fleet } = credential;
    const link = new Link({ roots, fleet, role: 'authority', credential });
    this.#links.add(link);
    return link;
  }

  #note(url: string, body: Buffer): void {
    if (url.startsWith('/v1/feed')) {
      this.asked++;
      if (new URLSearchParams(url.split('?')[1]).has('snapshot')) this.snapshots++;
    }
    if (url !== '/v1/leases' && url !== '/v1/reports') return;
    this.applied.push((JSON.parse(body.toString()) as { applied: number }).applied);
  }

  async #passLines(from: IncomingMessage, answer: ServerResponse): Promise<void> {
    const tally = new Tally();
    let rest = '';
    for await (const chunk of from.setEncoding('utf8') as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (!(await this.#passLine(line, answer, tally))) return;
    }
    answer.end();
  }

  /** False: the feed was torn. What was sent is counted here, so that a beat does not give away what was done to other lines. */
  async #passLine(line: string, answer: ServerResponse, tally: Tally): Promise<boolean> {
    const message = FeedMessage.parse(JSON.parse(line));
    const counted = message.type === 'beat' ? JSON.stringify({ ...message, sent: tally.now() }) : line;
    const told = message.type === 'change' ? this.tampering(line) : [counted];
    if (Array.isArray(told)) {
      for (const one of told) {
        answer.write(`${one}\n`);
        tally.add(`${one}\n`);
      }
      return true;
    }
    await new Promise((resolve) => answer.write(told.tornAfter, resolve));
    answer.destroy();
    return false;
  }
}
