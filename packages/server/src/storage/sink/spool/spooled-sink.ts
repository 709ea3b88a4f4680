import { setTimeout as pause } from 'node:timers/promises';
import { PortcullisError } from '@portcullis/contract';
import type { Log } from '../../../telemetry/telemetry.ts';
import { requireWhole } from '../accounted-sink.ts';
import { isAway } from '../away.ts';
import { lateBase, nameUnproven } from '../late-sink.ts';
import type { Looked, Sink, SinkOutcome, SinkRequest, SinkWrite } from '../promises.ts';
import { type Disk, realDisk } from './disk.ts';
import { Drain } from './drain.ts';
import { baseOf, giveWordOf, type Left, leftIn } from './left.ts';
import { BatchNumbers, type Told } from './numbers.ts';
import { type Owner, type Place, spoolIn, writePlace } from './place.ts';
import { afterAll } from './progress.ts';
import { partOf } from './requests.ts';
import { type Begun, Spool } from './spool.ts';

/** How a spool stands, as operators see it. */
export interface SpoolState {
  /** `away`: the sink can not be reached, or is full; `stuck`: it does not take what the spool holds, and the log says why. */
  state: 'empty' | 'draining' | 'away' | 'stuck';
  bytes: number;
  bytesMax: number;
  readings: number;
  /** Of one that is away or stuck, in words. */
  why: string | null;
  /** When the oldest of them was received, in milliseconds since 1970. */
  oldest: number | null;
  /** Files that lie aside because they were damaged. */
  damaged: number;
  /** How many batches this process has named unproven on the way. */
  named: number;
}

export interface SpooledSinkParts {
  sink: Sink;
  /** Of the process alone. */
  directory: string;
  bytesMax: number;
  owner: Owner;
  /** What was there, once it was looked at. */
  place: Place | undefined;
  disk?: Disk;
  log: Log;
}

/** How long a sink that is silent is waited for before the spool takes what came meanwhile. */
const directMs = 5_000;
/** How long after a try to begin with a sink that was not there at the start the next one comes. */
const againMs = 1_000;

/**
 * A sink whose readings may wait on the gate's disk. They go to the sink at once while nothing waits; else they go behind what waits, so that
 * order holds for each subject. What the sink may have of a write that failed is given up there before the spool's comes.
 * Where the sink is not there yet, all goes into the spool until it is.
 * @throws {PortcullisError} `store_damaged`, `store_unavailable`
 */
export async function openSpooledSink(parts: SpooledSinkParts): Promise<SpooledSink> {
  const { sink, directory, bytesMax, owner, place, disk = realDisk, log } = parts;
  await disk.make(spoolIn(directory));
  const upTo = place?.moved ? Number.MAX_SAFE_INTEGER : (place?.movedUpTo ?? 0);
  const spool = await Spool.open({ directory: spoolIn(directory), bytesMax, movedUpTo: upTo, disk, log });
  const isNew = place === undefined && spool.isEmpty;
  if (isNew || place?.moved) await spool.beginAfter(afterAll);
  await writePlace(directory, { ...owner, movedUpTo: place?.moved ? spool.last : upTo });
  const left = leftIn(spool);
  const isThere = sink.awaited === undefined;
  const open = isThere ? await giveWordOf(sink, left) : [];
  const numbers = new BatchNumbers(isThere ? baseOf(sink, left) : lateBase);
  const spooled = new SpooledSink({ sink, spool, left, numbers, log });
  if (isThere) await spooled.begin(sink, open);
  return spooled;
}

interface Held {
  sink: Sink;
  spool: Spool;
  left: Left;
  numbers: BatchNumbers;
  log: Log;
}

export class SpooledSink implements Sink {
  readonly lastBatch: number;
  readonly awaited: Promise<Sink> | undefined;
  #sink: Sink;
  readonly #spool: Spool;
  readonly #left: Left;
  readonly #numbers: BatchNumbers;
  readonly #log: Log;
  /** Undefined: the sink is not there yet. */
  #drain: Drain | undefined;
  /** Of what an earlier process drained, what it may not have named: the first record does, where the sink is not there to be told. */
  #unnamed: number[];
  /** Records that wait for the gate's look at its lease, in their order, and up to which one it has looked. */
  #waiting: { batch: number; number: number }[] = [];
  #lookedUpTo: number;
  /** Records in quarantine that no later record names yet. */
  #gone: number[] = [];
  #tail: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor({ sink, spool, left, numbers, log }: Held) {
    [this.#sink, this.#spool, this.#left, this.#numbers, this.#log] = [sink, spool, left, numbers, log];
    this.lastBatch = numbers.base;
    this.#lookedUpTo = spool.last;
    this.#unnamed = left.unnamed;
    this.awaited = sink.awaited && this.#beginLate(sink.awaited);
  }

  /** The sink is there, and was told what an earlier process had for it; of that, these batches are to be settled. */
  async begin(sink: Sink, open: readonly number[]): Promise<void> {
    const [spool, numbers, log] = [this.#spool, this.#numbers, this.#log];
    const base = baseOf(sink, this.#left);
    await spool.beginAfter(base);
    [this.#sink, this.#unnamed] = [sink, []];
    numbers.begin(base, open);
    this.#drain = new Drain({ sink, spool, numbers, upTo: () => this.#lookedUpTo, log });
  }

  get spool(): SpoolState {
    const { bytes, bytesMax, readings, oldest, damaged } = this.#spool;
    const { state, named, why } = this.#drain ?? { state: 'away', named: 0, why: this.#sink.why ?? null };
    return { state, why, bytes, bytesMax, readings, oldest, damaged, named };
  }

  write(write: SinkWrite): Promise<SinkOutcome[]> {
    return this.#inTurn(async () => {
      requireWhole(write.requests);
      this.#look(write);
      if (!this.#drain || !this.#spool.isEmpty) return this.#keep(write, this.#numbers.of(write));
      const batch = this.#numbers.takeFor(write.batch);
      const told = this.#numbers.of(write);
      try {
        const outcomes = await within(directMs, this.#sink.write(this.#inSink({ ...write, batch }, told)));
        this.#heard(told, write);
        return outcomes;
      } catch (error) {
        if (!isAway(error)) throw error;
        this.#log.warn({ err: error }, 'the sink is away: readings go into the spool');
        const outcomes = await this.#keep(write, { ...told, quarantine: [...told.quarantine, batch] });
        this.#numbers.drop(write.batch);
        return outcomes;
      }
    });
  }

  mark(looked: Looked): Promise<void> {
    return this.#inTurn(async () => {
      // Of what an earlier process left the sink alone is told.
      if (looked.looked <= this.#numbers.base) return this.#sink.mark(looked);
      this.#look(looked);
      const told = this.#numbers.of(looked);
      if (this.#drain && this.#spool.isEmpty) {
        try {
          await within(directMs, this.#sink.mark(this.#inSink(looked, told)));
          return this.#heard(told, looked);
        } catch (error) {
          if (!isAway(error)) throw error;
        }
      }
      await this.#keep({ ...looked, batch: looked.looked, instance: '', requests: [] }, told);
      this.#look(looked);
    });
  }

  async unsettled() {
    const open = await this.#sink.unsettled();
    return open.flatMap((one) => {
      const batch = this.#numbers.gateOf(one.batch);
      return batch === undefined ? [] : [{ ...one, batch }];
    });
  }

  settle(batch: number, proof: 'proven' | 'unproven'): Promise<void> {
    return this.#inTurn(async () => {
      await this.#sink.settle(batch, proof);
      this.#numbers.settled(batch);
    });
  }

  unprovenCount() {
    return this.#sink.unprovenCount();
  }

  read(query: Parameters<Sink['read']>[0]) {
    return this.#sink.read(query);
  }

  untold(asked: Parameters<Sink['untold']>[0]) {
    return this.#sink.untold(asked);
  }

  told(told: Parameters<Sink['told']>[0]) {
    return this.#sink.told(told);
  }

  keepRefusals(refusals: Parameters<Sink['keepRefusals']>[0]) {
    return this.#sink.keepRefusals(refusals);
  }

  refusals(query: Parameters<Sink['refusals']>[0]) {
    return this.#sink.refusals(query);
  }

  keepRefused(refused: Parameters<Sink['keepRefused']>[0]) {
    return this.#sink.keepRefused(refused);
  }

  refused(query: Parameters<Sink['refused']>[0]) {
    return this.#sink.refused(query);
  }

  missing(query: Parameters<Sink['missing']>[0]) {
    return this.#sink.missing(query);
  }

  oldestMissing(before: number, limit: number) {
    return this.#sink.oldestMissing(before, limit);
  }

  age(before: number) {
    return this.#sink.age(before);
  }

  prune(before: number) {
    return this.#sink.prune(before);
  }

  /** What the spool holds stays there: the next process goes on with it. The sink itself is closed by whoever opened it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#tail;
    await this.#drain?.stop();
    await this.#spool.close();
  }

  /** Behind what waits. A crash before it resolves leaves a record that was acknowledged to nobody, and is stored as unproven all the same. */
  async #keep(write: SinkWrite, told: Told): Promise<SinkOutcome[]> {
    const sorted = this.#sort(write.requests);
    const requests = sorted.flatMap(({ places }, index) =>
      places.length > 0 ? [partOf(write.requests[index] as SinkRequest, places)] : [],
    );
    const gone = this.#gone;
    const late = this.#numbers.late(write, told);
    const unnamed = requests.length > 0 ? this.#unnamed : [];
    const whole = { ...told, unproven: [...told.unproven, ...late, ...unnamed] };
    if (requests.length > 0 || gone.length > 0 || this.#numbers.says(whole)) {
      const record = { instance: write.instance, told: whole, gone, requests };
      const keys = sorted.flatMap((one) => one.keys);
      const number = await this.#spool.append(record, keys, () => this.#begun);
      if (unnamed.length > 0) this.#unnamed = [];
      this.#waiting.push({ batch: write.batch, number });
      this.#gone = this.#gone.filter((one) => !gone.includes(one));
    }
    this.#numbers.heard(whole, write);
    return sorted.map(({ outcome }) => outcome);
  }

  get #begun(): Begun {
    const { last } = this.#numbers;
    if (this.#drain) return { batch: last, direct: last };
    const { batch, direct } = this.#spool.progress;
    return { batch: afterAll, direct: batch === afterAll ? direct : afterAll };
  }

  async #beginLate(awaited: Promise<Sink>): Promise<Sink> {
    const sink = await awaited;
    while (!this.#closed) {
      try {
        await nameUnproven(sink, await giveWordOf(sink, this.#left), this.#log);
        await this.#inTurn(() => this.begin(sink, []));
        return this;
      } catch (error) {
        if (!this.#closed) this.#log.warn({ err: error }, 'the sink is there, and does not take what comes first');
        await pause(againMs, undefined, { ref: false });
      }
    }
    return new Promise<never>(() => undefined);
  }

  #sort(requests: readonly SinkRequest[]) {
    const before = new Map<string, string>();
    return requests.map((request) => {
      const sorted = this.#spool.keys.sort(request, before);
      for (const [key, said] of sorted.keys) before.set(key, said);
      return sorted;
    });
  }

  /** Records that were looked at may go to the sink; those in quarantine never do. */
  #look({ looked, quarantine }: Looked): void {
    const gone = this.#waiting.filter(({ batch }) => quarantine.includes(batch)).map(({ number }) => number);
    for (const number of gone) this.#spool.giveUp(number);
    this.#gone.push(...gone);
    while (this.#waiting[0] && this.#waiting[0].batch <= looked) this.#lookedUpTo = this.#waiting.shift()?.number ?? 0;
  }

  #inSink<Step extends Looked>(step: Step, told: Told): Step {
    return { ...step, ...told, proven: this.#numbers.provenWith(step.proven) };
  }

  #heard(told: Told, looked: Looked): void {
    this.#numbers.heard(told, looked);
    this.#numbers.provenTold(this.#numbers.provable);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new Error('the sink is closed'));
    const next = this.#tail.then(work);
    this.#tail = next.catch(() => undefined);
    return next;
  }
}

/** What comes of it later is given up. */
async function within<T>(milliseconds: number, asked: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const words = `the sink said nothing for ${milliseconds} ms`;
  const timer = setTimeout(() => late.reject(new PortcullisError('store_unavailable', words)), milliseconds);
  asked.catch(() => undefined);
  try {
    return await Promise.race([asked, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
