import { CompiledQuery } from 'kysely';
import type { Store, Writer } from './promises.ts';

/** So many share one transaction: what follows a group, another change or a lease, waits for one and no more. */
const groupMax = 32;

interface Waiting {
  work(db: Writer): Promise<unknown>;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

const savepoint = CompiledQuery.raw('SAVEPOINT apart');
const release = CompiledQuery.raw('RELEASE apart');
const rollback = CompiledQuery.raw('ROLLBACK TO apart');

type Settled = { value: unknown } | { error: unknown };

/**
 * Changes that are asked for in the same turn of the event loop, or while others are written, share one transaction, and so one flush. Each is in a savepoint
 * of its own: one that throws is rolled back by itself. A crash before the flush leaves none of them, and none was answered.
 */
export class Together {
  readonly #change: Store['change'];
  /** The engine's words. */
  readonly #asFailure: (error: unknown) => never;
  readonly #waiting: Waiting[] = [];
  #running: Promise<void> = Promise.resolve();

  constructor(change: Store['change'], asFailure: (error: unknown) => never) {
    this.#change = change;
    this.#asFailure = asFailure;
  }

  add<T>(work: (db: Writer) => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#waiting.push({ work, resolve: resolve as Waiting['resolve'], reject });
    if (this.#waiting.length === 1) this.#start();
    return promise;
  }

  /** Resolves once nothing waits any more. */
  async ended(): Promise<void> {
    while (this.#waiting.length > 0) {
      await new Promise((resolve) => setImmediate(resolve));
      await this.#running;
    }
    await this.#running;
  }

  /** The group is taken once the one before it is over: what was asked for meanwhile shares its flush. */
  #start(): void {
    setImmediate(() => {
      this.#running = this.#running.then(() => {
        const group = this.#waiting.splice(0, groupMax);
        if (this.#waiting.length > 0) this.#start();
        return this.#run(group);
      });
    });
  }

  async #run(group: readonly Waiting[]): Promise<void> {
    try {
      const settled = await this.#change(async (db) => {
        const done: Settled[] = [];
        for (const { work } of group) done.push(await apart(db, work, this.#asFailure));
        return done;
      });
      for (const [index, { resolve, reject }] of group.entries()) {
        const one = settled[index] as Settled;
        if ('error' in one) reject(one.error);
        else resolve(one.value);
      }
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }
}

/** Where the engine itself rolled back, as on a full disk, there is no savepoint any more: that throws, and ends the group. */
async function apart(db: Writer, work: Waiting['work'], asFailure: (error: unknown) => never): Promise<Settled> {
  await db.executeQuery(savepoint);
  try {
    const value = await work(db);
    await db.executeQuery(release);
    return { value };
  } catch (error) {
    await db.executeQuery(rollback);
    await db.executeQuery(release);
    return { error: inWords(error, asFailure) };
  }
}

function inWords(error: unknown, asFailure: (error: unknown) => never): unknown {
  try {
    return asFailure(error);
  } catch (failure) {
    return failure;
  }
}
