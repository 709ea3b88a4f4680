import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import {
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  type StoredMsg,
} from '@nats-io/jetstream';
import { connect, credsAuthenticator, headers, type NatsConnection } from '@nats-io/transport-node';
import { PortcullisError } from '@portcullis/contract';
import type { StreamAddress } from './address.ts';
import { asFailure, isOvertaken } from './failures.ts';

/** How long an acknowledgement is waited for: it may be stored all the same. */
const ackMs = 2_000;
const askMs = 10_000;
/** Waiting for their acknowledgements at once. */
const underWayMax = 200;

export interface Ack {
  sequence: number;
  duplicate: boolean;
}

/**
 * The client upgrades a socket of its own, and where that is to an address it names no server: Node would look for `localhost` in the certificate.
 * Its types do not say so, but it hands on what Node takes.
 */
function verifying(tls: { ca?: string }, servers: readonly string[]) {
  const hosts = servers.map((server) => server.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1'));
  const addresses = hosts.filter((host) => isIP(host) !== 0);
  const identity = (name: string, certificate: PeerCertificate) => {
    const failures = (hosts.includes(name) ? [name] : addresses).map((host) => checkServerIdentity(host, certificate));
    return failures.includes(undefined) ? undefined : (failures[0] ?? new Error(`"${name}" is not among the servers`));
  };
  return { ...tls, checkServerIdentity: identity };
}

interface Published {
  subject: string;
  text: string;
  headers?: Record<string, string>;
  id?: string | undefined;
  /** The last message of the subject must be this one; 0: none. */
  lastOfSubject?: number;
}

/**
 * A connection to the stream's servers. While it is away everything asked of it fails at once: the client would keep what is published
 * meanwhile, and lose it without a word.
 */
export class Link {
  readonly words: string;
  readonly #stream: string;
  readonly #connection: NatsConnection;
  readonly #client: JetStreamClient;
  readonly #manager: JetStreamManager;
  readonly #waiting = new Set<(error: Error) => void>();
  #isUp = true;

  private constructor(address: StreamAddress, connection: NatsConnection, manager: JetStreamManager) {
    [this.words, this.#stream, this.#connection, this.#manager] = [address.words, address.stream, connection, manager];
    this.#client = jetstream(connection, { timeout: askMs });
    this.#watch();
  }

  /** @throws {PortcullisError} `store_unavailable` */
  static async open(address: StreamAddress): Promise<Link> {
    const { servers, user, password, credentials, tls } = address;
    let connection: NatsConnection | undefined;
    try {
      connection = await connect({
        ...{
          servers: [...servers],
          name: 'portcullis',
          maxReconnectAttempts: -1,
          reconnectTimeWait: 500,
          timeout: askMs,
        },
        // It would give up where a server that starts has not read its accounts yet.
        ...{ ignoreAuthErrorAbort: true, ignoreClusterUpdates: true, pingInterval: 5_000, maxPingOut: 2 },
        ...(user !== undefined && { user, pass: password ?? '' }),
        ...(credentials !== undefined && { authenticator: credsAuthenticator(new TextEncoder().encode(credentials)) }),
        ...(tls && { tls: verifying(tls, servers) }),
      });
      return new Link(address, connection, await jetstreamManager(connection, { timeout: askMs, checkAPI: false }));
    } catch (error) {
      await connection?.close();
      return asFailure(error, address.words);
    }
  }

  get largestMessage(): number {
    return this.#connection.info?.max_payload ?? 0;
  }

  publish({ subject, text, id, lastOfSubject, headers: named = {} }: Published): Promise<Ack> {
    const all = headers();
    for (const [name, value] of Object.entries(named)) all.set(name, value);
    const expect = {
      streamName: this.#stream,
      ...(lastOfSubject !== undefined && { lastSubjectSequence: lastOfSubject }),
    };
    return this.#ask(async () => {
      const given = { timeout: ackMs, headers: all, expect, ...(id !== undefined && { msgID: id }) };
      const { seq, duplicate } = await this.#client.publish(subject, text, given);
      return { sequence: seq, duplicate };
    });
  }

  /** In their order, so many at a time. The first that fails is thrown once none is under way. */
  async publishAll(messages: readonly Published[]): Promise<Ack[]> {
    const acks: Ack[] = [];
    for (let at = 0; at < messages.length; at += underWayMax) {
      const some = await Promise.allSettled(messages.slice(at, at + underWayMax).map((one) => this.publish(one)));
      for (const one of some) {
        if (one.status === 'rejected') throw one.reason;
        acks.push(one.value);
      }
    }
    return acks;
  }

  message(sequence: number): Promise<StoredMsg | null> {
    return this.#ask(() => this.#manager.streams.getMessage(this.#stream, { seq: sequence }));
  }

  lastOf(subject: string): Promise<StoredMsg | null> {
    return this.#ask(() => this.#manager.streams.getMessage(this.#stream, { last_by_subj: subject }));
  }

  async remove(sequence: number): Promise<void> {
    await this.#ask(async () => {
      if (await this.#manager.streams.getMessage(this.#stream, { seq: sequence }))
        await this.#manager.streams.deleteMessage(this.#stream, sequence);
    });
  }

  info() {
    return this.#ask(() => this.#manager.streams.info(this.#stream));
  }

  /** What is there of a subject from a sequence to another, at most so many. `more`: that may not be all. */
  page(subject: string, [from, to]: readonly [number, number], most: number) {
    return this.#ask(async () => {
      const asked = { filter_subjects: subject, opt_start_seq: from, inactive_threshold: askMs };
      const consumer = await this.#client.consumers.get(this.#stream, asked);
      const { num_pending: there } = await consumer.info();
      const wanted = Math.min(there, most);
      const messages = [];
      let isPast = wanted === 0;
      if (!isPast) {
        for await (const message of await consumer.fetch({ max_messages: wanted, expires: askMs })) {
          isPast = message.seq > to || message.info.pending === 0;
          if (message.seq <= to) messages.push(message);
          if (isPast || messages.length === wanted) break;
        }
      }
      return { messages, more: !isPast };
    });
  }

  async close(): Promise<void> {
    this.#lost('the sink is closed');
    await this.#connection.close();
  }

  /** Fails when the connection is lost, and not only when its time is over. */
  #ask<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    if (!this.#isUp) return Promise.reject(this.#away());
    return new Promise<Answer>((resolve, reject) => {
      this.#waiting.add(reject);
      work()
        .catch((error: unknown) => asFailureOrOvertaken(error, this.words))
        .then(resolve, reject)
        .finally(() => this.#waiting.delete(reject));
    });
  }

  #away(why = 'the server is away'): PortcullisError {
    return new PortcullisError('store_unavailable', `${this.words}: ${why}`);
  }

  #lost(why?: string): void {
    this.#isUp = false;
    for (const reject of this.#waiting) reject(this.#away(why));
    this.#waiting.clear();
  }

  #watch(): void {
    const watching = async () => {
      for await (const { type } of this.#connection.status()) {
        if (type === 'disconnect' || type === 'close') this.#lost();
        if (type === 'reconnect') this.#isUp = true;
      }
    };
    watching().catch(() => this.#lost());
  }
}

const asFailureOrOvertaken = (error: unknown, words: string): never => {
  if (isOvertaken(error)) throw error;
  return asFailure(error, words);
};
