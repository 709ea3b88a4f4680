/** Many instances of gates in one process, without devices: each follows the feed, holds a lease and reports what it has applied, as a gate does. */
import { randomBytes } from 'node:crypto';
import { authoritiesOf, type FeedMessage, LeaseAnswer } from '@portcullis/contract';
import { type Credential, exchange, type Link, readCredential } from '@portcullis/device';
import { z } from 'zod';
import { linkTo } from '../packages/server/src/credentials/credentials.ts';
import { FeedConnection } from '../packages/server/src/gate/following/feed-connection.ts';

export interface FollowersJob {
  /** The files of those as whom they follow, in turns. */
  credentials: string[];
  count: number;
}

/** All have it: when, in milliseconds of the monotonic clock that processes of a machine share. */
export interface HaveIt {
  revision: number;
  at: number;
}

export const sharedMs = () => Number(process.hrtime.bigint()) / 1e6;

const answerMs = 10_000;
const againMs = 50;
const sharesOfLease = 4;

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

class Follower {
  readonly #instance = randomBytes(16).toString('hex');
  readonly #authority: string;
  readonly #onChange: (revision: number) => void;
  readonly #feed: Link;
  readonly #leases: Link;
  #at: { applied: number; hash: string } | undefined;
  #reporting = false;

  constructor(credential: Credential, onChange: (revision: number) => void) {
    this.#onChange = onChange;
    const addresses = authoritiesOf(credential);
    this.#authority = addresses[0] as string;
    this.#feed = linkTo(credential, addresses);
    this.#leases = linkTo(credential, addresses);
  }

  /** Resolves once it holds a lease. */
  async start(): Promise<void> {
    const query = `instance=${this.#instance}&attributes=status&clock=${Date.now()}&snapshot=1`;
    const url = `${this.#authority}/v1/feed?${query}`;
    const connection = await FeedConnection.open(this.#feed, { url, names: ['status'] }, new AbortController().signal);
    await new Promise<void>((resolve) => void this.#follow(connection, resolve));
    while (!(await this.#renew())) await pause(againMs);
  }

  async #follow(connection: FeedConnection, onComplete: () => void): Promise<void> {
    for (let message = await connection.next(); message; message = await connection.next()) {
      this.#took(message);
      if (message.type === 'complete') onComplete();
    }
    throw new Error('the feed ended');
  }

  #took(message: FeedMessage): void {
    if (message.type !== 'complete' && message.type !== 'change') return;
    this.#at = { applied: message.revision, hash: message.hash };
    if (message.type === 'change') this.#onChange(message.revision);
    if (!this.#reporting) void this.#report();
  }

  /** Only the newest matters. */
  async #report(): Promise<void> {
    this.#reporting = true;
    for (let told = 0; this.#at && told < this.#at.applied; ) {
      told = this.#at.applied;
      await this.#tell('/v1/reports', { ...this.#at, connectionsClosed: 0 }, z.unknown());
    }
    this.#reporting = false;
  }

  async #renew(): Promise<boolean> {
    const counts = { connections: 0, admitted: 0, refused: 0, overruns: 0, unproven: 0 };
    const counters = { ...counts, policy: 1, policyRefused: false };
    const state = { connectionsClosed: 0, clock: Date.now(), url: 'https://localhost:1', counters };
    const answer = await this.#tell('/v1/leases', { ...this.#at, ...state }, LeaseAnswer);
    if (!answer.granted) return false;
    setTimeout(() => void this.#renew(), answer.leaseMs / sharesOfLease);
    return true;
  }

  #tell<Answer>(path: string, body: object, shape: z.ZodType<Answer>): Promise<Answer> {
    return exchange(this.#leases, `${this.#authority}${path}`, { instance: this.#instance, ...body }, shape, answerMs);
  }
}

process.once('message', async ({ credentials, count }: FollowersJob) => {
  const held = credentials.map((file) => readCredential(file));
  const have = new Map<number, number>();
  const onChange = (revision: number) => {
    const number = (have.get(revision) ?? 0) + 1;
    have.set(revision, number);
    if (number < count) return;
    have.delete(revision);
    process.send?.({ revision, at: sharedMs() } satisfies HaveIt);
  };
  for (let number = 0; number < count; number++)
    await new Follower(held[number % held.length] as Credential, onChange).start();
  process.send?.('follow');
});
