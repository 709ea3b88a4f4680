import { accountOf } from '../account.ts';
import { AccountedSink, requireWhole } from '../accounted-sink.ts';
import type { Looked, ReadingQuery, Sink, SinkOutcome, SinkWrite } from '../promises.ts';
import type { SqliteSink } from '../sink-sqlite.ts';
import type { StreamAddress } from './address.ts';
import {
  emptyState,
  type GateState,
  holds,
  isReadable,
  type Range,
  type Rival,
  withBatches,
  withoutOlder,
} from './gate-state.ts';
import { Link } from './link.ts';
import { originOf } from './messages.ts';
import { pageOf } from './pages.ts';
import { between, SharedState, stateOf } from './shared-state.ts';
import { storeRequests } from './storing.ts';
import { requireStream } from './stream-check.ts';

export interface JetStreamSinkParts {
  address: StreamAddress;
  /** The gate's name: what an earlier process of it left is settled by this one. */
  gate: string;
  /** This process, told apart from every other one. */
  holder: string;
  /** The gate's account of senders, which is closed with the sink; where it can not be opened, it stays open. */
  account: SqliteSink;
  onBroken?: ((error: Error) => void) | undefined;
}

/**
 * Opens the sink in a stream that an operator has made.
 * @throws {PortcullisError} `store_unavailable`, `store_locked`, `config_invalid`
 */
export async function openJetStreamSink({
  address,
  gate,
  holder,
  account,
  onBroken,
}: JetStreamSinkParts): Promise<Sink> {
  let link: Link | undefined;
  try {
    link = await Link.open(address);
    await requireStream(link);
    const state = new SharedState(link, emptyState(gate, holder), onBroken);
    await state.take(account.lastBatch);
    await continueAccount(account, state.now);
    return new JetStreamSink(link, account, state);
  } catch (error) {
    await link?.close();
    throw error;
  }
}

/** The stream comes first: what a crash kept from the account is done now. */
async function continueAccount(
  account: SqliteSink,
  { looked, proven, quarantine, unproven }: GateState,
): Promise<void> {
  const open = (await account.unsettled()).map(({ batch }) => batch);
  const inRanges = (ranges: Range[]) => open.filter((batch) => holds(ranges, batch));
  await account.mark({ looked, proven, quarantine: inRanges(quarantine), unproven: inRanges(unproven) });
}

/** Readings in the stream, under the gate's name; what is its own alone on its disk. */
class JetStreamSink extends AccountedSink implements Sink {
  readonly lastBatch: number;
  readonly #link: Link;
  readonly #state: SharedState;

  constructor(link: Link, account: SqliteSink, state: SharedState) {
    super(account);
    [this.#link, this.#state] = [link, state];
    this.lastBatch = Math.max(state.now.begun, account.lastBatch);
  }

  /** A crash, or a failure, before the last step leaves readings of a batch that is begun and not committed: the next step gives it up. */
  write(write: SinkWrite): Promise<SinkOutcome[]> {
    return this.inTurn(async () => {
      const { batch, instance, requests } = write;
      requireWhole(requests);
      await this.#look(write, batch);
      const stored = await storeRequests(requests, { link: this.#link, batch, instance, state: this.#state.now });
      await this.account.write({ ...write, requests: accountOf(requests, stored.stored, { namesAll: true }) });
      const { now } = this.#state;
      await this.#state.step({ ...now, committed: batch, rivals: [...now.rivals, ...stored.rivals] });
      await this.forget(write.proven);
      return stored.outcomes;
    });
  }

  mark(looked: Looked): Promise<void> {
    return this.inTurn(async () => {
      await this.#look(looked);
      await this.account.mark(looked);
      await this.forget(looked.proven);
    });
  }

  settle(batch: number, proof: 'proven' | 'unproven'): Promise<void> {
    return this.inTurn(async () => {
      const unproven = proof === 'unproven' ? [batch] : [];
      await this.#look({ looked: batch, proven: batch, quarantine: [], unproven });
      await this.account.settle(batch, proof);
    });
  }

  async #look({ looked, proven, quarantine, unproven }: Looked, begun = this.#state.now.begun): Promise<void> {
    const before = this.#state.now;
    const at = this.#state.lastSequence;
    const next = {
      ...{ ...before, begun: Math.max(before.begun, begun) },
      ...{ looked: Math.max(before.looked, looked), proven: Math.max(before.proven, proven) },
      quarantine: withBatches(before.quarantine, quarantine, at),
      unproven: withBatches(before.unproven, unproven, at),
      open: [...before.open, ...(begun > before.begun ? [[begun, at] satisfies [number, number]] : [])].filter(
        ([batch]) => batch > proven && !quarantine.includes(batch),
      ),
    };
    await this.#state.step({ ...next, rivals: await this.#settleRivals(next) });
  }

  /** Of two that two gates have stored the one stays whose gate says so first; both are looked for, so that a crash in between is made good. */
  async #settleRivals(next: GateState): Promise<Rival[]> {
    const open: Rival[] = [];
    for (const rival of next.rivals) {
      if (holds(next.quarantine, rival.batch)) continue;
      if (rival.batch > next.looked) open.push(rival);
      else await this.#link.remove((await this.#isReadable(rival.other)) ? rival.sequence : rival.other);
    }
    return open;
  }

  async #isReadable(sequence: number): Promise<boolean> {
    const origin = originOf((await this.#link.message(sequence))?.header);
    const state = origin && (await stateOf(this.#link, origin.gate));
    return origin !== undefined && state !== undefined && isReadable(state, origin.batch);
  }

  unsettled() {
    return this.account.unsettled();
  }

  async unprovenCount() {
    const { unproven, quarantine } = this.#state.now;
    const all = unproven.flatMap(([first, last]) => between(first - 1, last));
    return all.filter((batch) => !holds(quarantine, batch)).length;
  }

  read(query: ReadingQuery) {
    return this.ask(() => pageOf(this.#link, this.#state, query));
  }

  /** Of the readings none is for the gate to remove. */
  async age() {
    return { older: 0, present: 0 };
  }

  /** How long the stream keeps readings, the stream says: the account alone is the gate's. */
  prune(before: number) {
    return this.inTurn(async () => {
      const { state } = await this.#link.info();
      const kept = withoutOlder(this.#state.now, state.first_seq);
      if (
        kept.quarantine.length + kept.unproven.length <
        this.#state.now.quarantine.length + this.#state.now.unproven.length
      )
        await this.#state.step(kept);
      await this.account.prune(before);
      return 0;
    });
  }

  protected closeShared() {
    return this.#link.close();
  }
}
