import { type Gate, knownGates } from './ask-gates.ts';
import type { FleetReadings } from './fleet-readings.ts';
import { GateReadings, laterReadings } from './gate-readings.ts';
import type { ReadingRow } from './reading-row.ts';
import { type News, newsWords, type Pauses, watchGates } from './watch-gates.ts';

/** What is proven shows within this and the second in which the gate puts that on record. */
const pollMs = 1_000;

/**
 * First what there is, then what comes, gate by gate. A reading is shown once its proof does not change any more. What a gate
 * stored while it could not be reached comes when it is back.
 */
export async function watchReadings(reading: FleetReadings, pauses: Pauses, interrupted: AbortSignal): Promise<void> {
  const enough = new AbortController();
  const watched = new WatchedReadings(reading, pauses, () => enough.abort());
  const signal = AbortSignal.any([interrupted, enough.signal]);
  await watched.begin(signal);
  if (!signal.aborted) await watchGates(reading.client, watched, pauses, signal);
  if (watched.away.size > 0 && !reading.partial) reading.output.status = 1;
}

class WatchedReadings {
  readonly #reading: FleetReadings;
  readonly #pauses: Pauses;
  readonly #enough: () => void;
  readonly #write: (row: ReadingRow) => Promise<void>;
  /** Where to go on, by gate. */
  readonly #tails = new Map<string, string>();
  /** What broke off, by gate. */
  readonly #unfinished = new Map<string, GateReadings>();
  readonly away = new Set<string>();
  #left: number;
  #shown = false;

  constructor(reading: FleetReadings, pauses: Pauses, enough: () => void) {
    this.#reading = reading;
    this.#pauses = pauses;
    this.#enough = enough;
    this.#write = reading.sheet.live();
    this.#left = reading.wanted.limit;
  }

  /** What all gates that can be reached have until now, as one list. */
  async begin(signal: AbortSignal): Promise<void> {
    const gates = await knownGates(this.#reading.client);
    const sources = gates.map((gate) => this.#source(gate, signal));
    await this.#show(sources, ({ gate }, error) => {
      if (signal.aborted) return;
      this.away.add(gate.gate);
      this.#reading.missing(gate, error);
    });
    if (!this.#shown && this.away.size === 0 && !signal.aborted) await this.#reading.requireNames(gates);
  }

  async session(gate: Gate, live: () => void, signal: AbortSignal): Promise<void> {
    if (!this.#tails.has(gate.gate)) await this.#catchUp(gate, signal);
    while (!signal.aborted) {
      const page = await laterReadings(
        this.#reading.client,
        gate,
        this.#tails.get(gate.gate) ?? '0',
        this.#reading.wanted,
        signal,
      );
      live();
      this.away.delete(gate.gate);
      for (const row of page.rows) await this.#give(row);
      if (page.tail !== undefined) this.#tails.set(gate.gate, page.tail);
      if (page.next === null) await this.#pauses.pause(pollMs, signal);
    }
  }

  tell(news: News): void {
    if ('away' in news) this.away.add(news.away.gate);
    if ('gone' in news) this.away.delete(news.gone.gate);
    this.#reading.output.notice(newsWords(news, this.#reading.output.json));
  }

  #source(gate: Gate, signal: AbortSignal): GateReadings {
    return new GateReadings(this.#reading.client, gate, this.#reading.wanted, signal);
  }

  /** A gate that was not there at the beginning, or not to its end, or is new. */
  async #catchUp(gate: Gate, signal: AbortSignal): Promise<void> {
    // Backwards nothing was shown yet; else it goes on where it broke off.
    const begun = this.#reading.wanted.order === 'received' ? this.#unfinished.get(gate.gate) : undefined;
    const source = begun ?? this.#source(gate, signal);
    source.gate = gate;
    const lost: unknown[] = [];
    await this.#show([source], (_source, error) => lost.push(error));
    if (lost.length > 0) throw lost[0];
  }

  async #show(sources: GateReadings[], onLost: (source: GateReadings, error: unknown) => void): Promise<void> {
    const lost = new Set<GateReadings>();
    const rows = this.#reading.rows(sources, (source, error) => {
      lost.add(source);
      onLost(source, error);
    });
    for await (const batch of rows) for (const row of batch) await this.#give(row);
    for (const source of sources) {
      if (lost.has(source)) this.#unfinished.set(source.gate.gate, source);
      else this.#tails.set(source.gate.gate, source.tail ?? '0');
    }
  }

  async #give(row: ReadingRow): Promise<void> {
    if (this.#left === 0) return;
    this.#shown = true;
    this.#left--;
    await this.#write(row);
    if (this.#left === 0) this.#enough();
  }
}
