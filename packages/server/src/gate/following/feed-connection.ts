import { createHash } from 'node:crypto';
import { FeedMessage, feedAccepted, PortcullisError, type SnapshotSoFar } from '@portcullis/contract';
import type { Link } from '@portcullis/device';
import { MessageStream } from '../../credentials/credentials.ts';

/** What came is not what was sent: nothing that was made of it is believed. */
export const garbled = 'feed_garbled';

export interface FeedAsked {
  url: string;
  names: readonly string[];
  /** What is here of a snapshot that broke off. */
  soFar?: SnapshotSoFar | undefined;
}

/** One answer of `GET /v1/feed`. */
export class FeedConnection {
  /** The attributes that it was asked for. */
  readonly names: readonly string[];
  readonly #messages: MessageStream<FeedMessage>;

  private constructor(names: readonly string[], messages: MessageStream<FeedMessage>) {
    this.names = names;
    this.#messages = messages;
  }

  /** @throws {PortcullisError} as the authority refuses */
  static async open(link: Link, { url, names, soFar }: FeedAsked, stop: AbortSignal): Promise<FeedConnection> {
    const counted = new Counted();
    const asked = { url, accept: feedAccepted(soFar), read: (line: Buffer) => counted.read(line) };
    return new FeedConnection(names, await MessageStream.open(link, asked, stop));
  }

  /** Undefined: it has ended, or was closed. */
  next(): Promise<FeedMessage | undefined> {
    return this.#messages.next();
  }

  close(): void {
    this.#messages.close();
  }
}

class Counted {
  /** Of all that came before the line that is looked at. */
  readonly #hash = createHash('sha256');
  #bytes = 0;

  /** A beat says what was sent before it. @throws {PortcullisError} `feed_garbled` where something else came */
  read(line: Buffer): FeedMessage {
    const message = FeedMessage.parse(JSON.parse(line.toString('utf8')));
    const { sent } = message.type === 'beat' ? message : {};
    if (sent && (sent.bytes !== this.#bytes || sent.hash !== this.#hash.copy().digest('hex'))) {
      throw new PortcullisError(garbled, `${sent.bytes} bytes of the feed were sent, ${this.#bytes} came, or others`);
    }
    this.#hash.update(line).update('\n');
    this.#bytes += line.length + 1;
    return message;
  }
}
