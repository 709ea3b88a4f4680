import { PortcullisError } from '@portcullis/contract';
import type { Address } from '../../postgres/address.ts';
import { Connections } from '../../postgres/connections.ts';
import { asFailure, atDatabase, failureOf, sqlStateOf } from '../../postgres/failures.ts';
import { accountOf } from '../account.ts';
import { AccountedSink, requireWhole } from '../accounted-sink.ts';
import type { Looked, ReadingQuery, Sink, SinkOutcome, SinkRequest, SinkWrite } from '../promises.ts';
import type { SqliteSink } from '../sink-sqlite.ts';
import {
  Again,
  accountsAfter,
  type GateRow,
  look,
  takeGate,
  unprovenOf,
  unsettledOf,
  type Writer,
  write as writeRows,
} from './gate-rows.ts';
import { pageOf } from './pages.ts';
import { ageOf, pruneGate } from './retention.ts';
import { hasRivals } from './rivals.ts';
import { receivedIn } from './rows.ts';
import { dayMs, makePartition, requireTables } from './tables.ts';

type Db = Connections['db'];

const bounds = {
  write: { connectionsMax: 1, statementMs: 20_000, idleInTransactionMs: 10_000 },
  read: { connectionsMax: 3, statementMs: 60_000, answerMs: 70_000, idleInTransactionMs: 60_000 },
} as const;

/** A database that says nothing for so long is answered for: its connection is given up, and what it did is not known. */
const transactionMs = 30_000;
const triesMax = 5;
/** A day that was dropped since it was made: https://www.postgresql.org/docs/15/ddl-partitioning.html */
const noPartition = '23514';
/** Of two gates in each other's way, and of what was given back meanwhile. */
const isPassing = (error: unknown) =>
  error instanceof Again || ['40P01', '40001', noPartition].includes(sqlStateOf(error) ?? '');
export interface PostgresSinkParts {
  address: Address;
  /** The gate's name: what an earlier process of it left is settled by this one. */
  gate: string;
  /** This process, told apart from every other one. */
  holder: string;
  /** The gate's account of senders, which is closed with the sink; where it can not be opened, it stays open. */
  account: SqliteSink;
  onBroken?: ((error: Error) => void) | undefined;
}

/**
 * Opens the sink, and makes its tables if there are none.
 * @throws {PortcullisError} `store_unavailable`, `store_version`, `store_locked`, `config_invalid`
 */
export async function openPostgresSink({ address, gate, holder, account, onBroken }: PostgresSinkParts): Promise<Sink> {
  const reading = new Connections(address, bounds.read);
  try {
    await requireTables(reading.db, address);
    const writer = { gate, holder };
    const row = await takeGate(reading.db, writer);
    await continueAccount(reading.db, account, gate, row);
    const rivals = await hasRivals(reading.db, gate);
    return new PostgresSink({ address, writer, account, reading, row, rivals, onBroken });
  } catch (error) {
    await reading.close();
    return atDatabase(failureOf(error), address.words);
  }
}

/** A commit of the database comes first: what a crash kept from the account is noted now, and what was looked at since. */
async function continueAccount(db: Db, account: SqliteSink, gate: string, row: GateRow): Promise<void> {
  const { looked, proven } = row;
  for (const { batch, instance, account: requests } of await accountsAfter(
    db,
    gate,
    Math.max(looked, account.lastBatch),
  ))
    await account.write({ batch, instance, requests, looked: 0, quarantine: [], proven: 0, unproven: [] });
  const there = new Set((await unsettledOf(db, gate)).map(({ batch }) => batch));
  const unproven = await unprovenOf(db, gate);
  const open = (await account.unsettled()).map(({ batch }) => batch).filter((batch) => !there.has(batch));
  // What is proven has no row any more, nor has what is quarantined: of that no edge is told that was not told before.
  const quarantine = open.filter((batch) => batch > proven);
  await account.mark({ looked, proven, quarantine, unproven: unproven.filter((batch) => open.includes(batch)) });
}

interface Held {
  address: Address;
  writer: Writer;
  account: SqliteSink;
  reading: Connections;
  row: GateRow;
  rivals: boolean;
  onBroken: PostgresSinkParts['onBroken'];
}

/** Readings in the database, under the gate's name; what is its own alone on its disk. */
class PostgresSink extends AccountedSink implements Sink {
  readonly lastBatch: number;
  readonly #address: Address;
  readonly #writer: Writer;
  readonly #reading: Connections;
  #writing: Connections;
  #lastNumber: number;
  #rivals: boolean;
  readonly #days = new Set<number>();
  readonly #onBroken: PostgresSinkParts['onBroken'];

  constructor({ address, writer, account, reading, row, rivals, onBroken }: Held) {
    super(account);
    this.#onBroken = onBroken;
    [this.#address, this.#writer, this.#reading] = [address, writer, reading];
    this.#writing = new Connections(address, bounds.write);
    this.lastBatch = Math.max(row.lastBatch, account.lastBatch);
    [this.#lastNumber, this.#rivals] = [row.lastNumber, rivals];
  }

  write(write: SinkWrite): Promise<SinkOutcome[]> {
    return this.#inTurn(async () => {
      const { batch, instance, requests } = write;
      requireWhole(requests);
      const base = this.#lastNumber;
      this.#lastNumber += requests.reduce((total, { ids }) => total + ids.length, 0);
      const asked = { base, rivals: this.#rivals, accountOf };
      const stored = await this.#change(
        (db) => writeRows(db, this.#writer, write, asked),
        () => this.#makeDays(requests),
      );
      await this.account.write({ ...write, batch, instance, requests: stored.account });
      await this.#looked(write, stored.rivals.size > 0);
      return stored.outcomes;
    });
  }

  mark(looked: Looked): Promise<void> {
    return this.#inTurn(() => this.#mark(looked));
  }

  settle(batch: number, proof: 'proven' | 'unproven'): Promise<void> {
    const unproven = proof === 'unproven' ? [batch] : [];
    return this.#inTurn(async () => {
      await this.#change((db) =>
        look(db, this.#writer, { looked: batch, proven: batch, quarantine: [], unproven }, this.#rivals),
      );
      await this.account.settle(batch, proof);
    });
  }

  async #mark(looked: Looked): Promise<void> {
    await this.#change((db) => look(db, this.#writer, looked, this.#rivals));
    await this.account.mark(looked);
    await this.#looked(looked);
  }

  async #looked({ proven }: Looked, more = false): Promise<void> {
    this.#rivals = more || (this.#rivals && (await hasRivals(this.#reading.db, this.#writer.gate)));
    await this.forget(proven);
  }

  unsettled() {
    return this.#ask((db) => unsettledOf(db, this.#writer.gate));
  }

  async unprovenCount() {
    return (await this.#ask((db) => unprovenOf(db, this.#writer.gate))).length;
  }

  read(query: ReadingQuery) {
    return this.#ask((db) => pageOf(db, this.#writer.gate, query));
  }

  age(before: number) {
    return this.#ask((db) => ageOf(db, this.#writer.gate, before));
  }

  prune(before: number) {
    return this.#ask(async (db) => {
      const removed = await pruneGate(db, this.#address, this.#writer.gate, before);
      await this.account.prune(before);
      return removed;
    });
  }

  protected closeShared() {
    return Promise.all([this.#writing.close(), this.#reading.close()]);
  }

  /** Each day of receipt has a partition, made before the first reading of it. */
  async #makeDays(requests: readonly SinkRequest[]): Promise<void> {
    for (const day of new Set(requests.map((request) => Math.floor(receivedIn(request) / dayMs)))) {
      if (this.#days.has(day)) continue;
      await makePartition(this.#writing.db, this.#address, day);
      this.#days.add(day);
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.inTurn(work).catch(asFailure);
  }

  #ask<T>(work: (db: Db) => Promise<T>): Promise<T> {
    return this.ask(() => work(this.#reading.db).catch(asFailure));
  }

  /** One transaction; it is durable, or nothing of it is there, when this resolves. */
  async #change<T>(work: (db: Db) => Promise<T>, before = async () => undefined as unknown): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        const { db } = this.#writing;
        return await this.#within(before().then(() => db.transaction().execute(work)));
      } catch (error) {
        this.#days.clear();
        if (isPassing(error) && tries < triesMax) continue;
        if (error instanceof Again)
          throw new PortcullisError('store_unavailable', 'other gates are in the way of this write', { cause: error });
        if (error instanceof PortcullisError && error.code === 'store_locked') this.#onBroken?.(error);
        throw error;
      }
    }
  }

  /** The row of the gate refuses what a connection that was given up still brings. */
  async #within<T>(changed: Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const given = this.#writing;
      this.#writing = new Connections(this.#address, bounds.write);
      given.close().catch(() => undefined);
      late.reject(new PortcullisError('store_unavailable', `the database said nothing for ${transactionMs} ms`));
    }, transactionMs);
    try {
      return await Promise.race([changed, late.promise]);
    } finally {
      clearTimeout(timer);
      changed.catch(() => undefined);
    }
  }
}
