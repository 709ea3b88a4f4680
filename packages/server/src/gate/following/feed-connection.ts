import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { FeedMessage, feedInParts, feedLineBytesMax, PortcullisError } from '@portcullis/contract';
import type { Link } from '@portcullis/device';
import { problemOf } from '@portcullis/device';

/** The authority speaks at least twice a second: when it is silent for so long, the connection is dead. */
const silenceMsMax = 5_000;

/** What came is not what was sent: nothing that was made of it is believed. */
export const garbled = 'feed_garbled';

/** One answer of `GET /v1/feed`, message by message. */
export class FeedConnection {
  /** The attributes that it was asked for. */
  readonly names: readonly string[];
  readonly #lines: AsyncGenerator<Buffer>;
  readonly #ended: AbortController;
  /** Of all that came before the line that is looked at. */
  readonly #hash = createHash('sha256');
  #bytes = 0;
  #closed = false;

  private constructor(names: readonly string[], answer: IncomingMessage, ended: AbortController) {
    this.names = names;
    this.#lines = linesOf(answer);
    this.#ended = ended;
  }

  /** @throws {PortcullisError} as the authority refuses */
  static async open(link: Link, url: string, names: readonly string[], stop: AbortSignal): Promise<FeedConnection> {
    const ended = new AbortController();
    const silence = setTimeout(() => ended.abort(), silenceMsMax);
    try {
      const answer = await link.stream({
        url,
        headers: { accept: feedInParts },
        signal: AbortSignal.any([stop, ended.signal]),
      });
      if (answer.statusCode === 200) return new FeedConnection(names, answer, ended);
      throw problemOf(await wholeOf(answer));
    } catch (error) {
      ended.abort();
      throw error;
    } finally {
      clearTimeout(silence);
    }
  }

  /** Undefined: it has ended, or was closed. */
  async next(): Promise<FeedMessage | undefined> {
    if (this.#closed) return undefined;
    const silence = setTimeout(() => this.#ended.abort(), silenceMsMax);
    try {
      const { done, value } = await this.#lines.next();
      return done || this.#closed ? undefined : this.#read(value);
    } catch (error) {
      if (this.#closed) return undefined;
      throw error;
    } finally {
      clearTimeout(silence);
    }
  }

  /** A beat says what was sent before it. @throws {PortcullisError} `feed_garbled` where something else came */
  #read(line: Buffer): FeedMessage {
    const message = FeedMessage.parse(JSON.parse(line.toString('utf8')));
    const { sent } = message.type === 'beat' ? message : {};
    if (sent && (sent.bytes !== this.#bytes || sent.hash !== this.#hash.copy().digest('hex'))) {
      throw new PortcullisError(garbled, `${sent.bytes} bytes of the feed were sent, ${this.#bytes} came, or others`);
    }
    this.#hash.update(line).update('\n');
    this.#bytes += line.length + 1;
    return message;
  }

  close(): void {
    this.#closed = true;
    this.#ended.abort();
  }
}

async function wholeOf(
  answer: IncomingMessage,
): Promise<{ status: number; headers: IncomingMessage['headers']; body: Buffer }> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) };
}

/** The lines of a stream, each bounded. */
async function* linesOf(stream: IncomingMessage): AsyncGenerator<Buffer> {
  let rest: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let from = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      yield Buffer.concat([...rest, chunk.subarray(from, end)]);
      rest = [];
      bytes = 0;
      from = end + 1;
    }
    if (from < chunk.length) rest.push(chunk.subarray(from));
    bytes += chunk.length - from;
    if (bytes > feedLineBytesMax) throw new PortcullisError('answer_malformed', 'a line of the feed is too long');
  }
}
