import type { IncomingMessage } from 'node:http';
import { feedLineBytesMax, PortcullisError } from '@portcullis/contract';
import { type Link, problemOf } from '@portcullis/device';

/** The authority speaks at least twice a second: when it is silent for so long, the connection is dead. */
const silenceMsMax = 5_000;

interface Asked<Message> {
  url: string;
  accept: string;
  /** One line, without its end. */
  read(line: Buffer): Message;
}

/** One answer of the authority that has no end of its own, message by message. */
export class MessageStream<Message> {
  readonly #read: (line: Buffer) => Message;
  readonly #lines: AsyncGenerator<Buffer>;
  readonly #ended: AbortController;
  #closed = false;

  private constructor(read: (line: Buffer) => Message, answer: IncomingMessage, ended: AbortController) {
    this.#read = read;
    this.#lines = linesOf(answer);
    this.#ended = ended;
  }

  /** @throws {PortcullisError} as the authority refuses */
  static async open<Message>(
    link: Link,
    { url, accept, read }: Asked<Message>,
    stop: AbortSignal,
  ): Promise<MessageStream<Message>> {
    const ended = new AbortController();
    const silence = setTimeout(() => ended.abort(), silenceMsMax);
    try {
      const answer = await link.stream({ url, headers: { accept }, signal: AbortSignal.any([stop, ended.signal]) });
      if (answer.statusCode === 200) return new MessageStream(read, answer, ended);
      throw problemOf(await wholeOf(answer));
    } catch (error) {
      ended.abort();
      throw error;
    } finally {
      clearTimeout(silence);
    }
  }

  /** Undefined: it has ended, or was closed. */
  async next(): Promise<Message | undefined> {
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
