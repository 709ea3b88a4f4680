import { setTimeout as wait } from 'node:timers/promises';
import { PortcullisError, plainJson } from '@portcullis/contract';
import { realSystem } from '../telemetry/system.ts';
import { type Gate, knownGates, toldOf } from './ask-gates.ts';
import type { FleetClient } from './fleet-client.ts';

/** Time and chance, as arguments. */
export interface Pauses {
  /** Resolves after so long, or as soon as the signal is aborted. */
  pause(milliseconds: number, signal: AbortSignal): Promise<void>;
  /** From 0 to 1. */
  chance(): number;
}

export const realPauses: Pauses = {
  pause: (milliseconds, signal) => wait(milliseconds, undefined, { signal }).catch(() => undefined),
  chance: () => realSystem.random(4).readUInt32BE() / 2 ** 32,
};

export function untilInterrupted(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  return stop.signal;
}

export interface Watch {
  /** Until the signal ends it or the gate does; `live` is called when the gate answers. @throws {PortcullisError} why it ended */
  session(gate: Gate, live: () => void, signal: AbortSignal): Promise<void>;
  /** A gate is away, or back; or the authority is. Each is told once. */
  tell(news: News): void;
}

export type News =
  | { away: Gate; code: string; message: string }
  | { back: Gate }
  | { gone: Gate }
  | { dropped: number; of: Gate }
  | { none: true }
  | { authority: 'away'; code: string; message: string }
  | { authority: 'back' };

/** As words, or for a program as one JSON object: what is told beside the result. */
export function newsWords(news: News, json: boolean): string {
  if (json) return plainJson(news);
  if ('none' in news) return 'no gate of the fleet has ever started; waiting for one';
  if ('back' in news) return `${nameOf(news.back)} is back`;
  if ('gone' in news) return `${nameOf(news.gone)} does not belong to the fleet any more`;
  if ('dropped' in news)
    return `${nameOf(news.of)}: ${news.dropped} verdicts are not shown: they came faster than they were read`;
  if (!('code' in news)) return 'the authority answers again';
  const what = 'away' in news ? `${nameOf(news.away)} is away` : 'the authority does not answer';
  return `${what}: ${news.message} (${news.code}); trying again, the others go on`;
}

export const nameOf = ({ gate, url }: Gate): string => `${gate} at ${url}`;

/** New gates, and gates that moved, are looked for this often. */
const rosterMs = 10_000;
const firstPauseMs = 500;
const longestPauseMs = 10_000;

/**
 * Watches every gate of the fleet, also those that come later, until the signal ends it. A gate that stops is tried again, and the
 * others go on. @throws {PortcullisError} where nothing can come any more: the authority does not admit this operator
 */
export async function watchGates(
  client: Pick<FleetClient, 'get'>,
  watch: Watch,
  pauses: Pauses,
  signal: AbortSignal,
): Promise<void> {
  const roster = new Roster(client, watch, pauses, signal);
  try {
    await roster.run();
  } finally {
    roster.end();
  }
}

interface Watched {
  gate: Gate;
  ending: AbortController;
}

class Roster {
  readonly #client: Pick<FleetClient, 'get'>;
  readonly #watch: Watch;
  readonly #pauses: Pauses;
  readonly #signal: AbortSignal;
  readonly #watched = new Map<string, Watched>();
  readonly #failed = Promise.withResolvers<never>();
  #authorityAway = false;

  constructor(client: Pick<FleetClient, 'get'>, watch: Watch, pauses: Pauses, signal: AbortSignal) {
    this.#client = client;
    this.#watch = watch;
    this.#pauses = pauses;
    this.#signal = signal;
    this.#failed.promise.catch(() => undefined);
  }

  /** The first list must come: without the authority no gate is known. */
  async run(): Promise<void> {
    this.#update(await knownGates(this.#client));
    if (this.#watched.size === 0) this.#watch.tell({ none: true });
    while (!this.#signal.aborted) {
      await Promise.race([this.#pauses.pause(rosterMs, this.#signal), this.#failed.promise]);
      if (!this.#signal.aborted) await this.#look();
    }
  }

  end(): void {
    for (const { ending } of this.#watched.values()) ending.abort();
  }

  /** What is known goes on while the authority is away. @throws {PortcullisError} it does not admit this operator */
  async #look(who = 'the authority'): Promise<void> {
    try {
      this.#update(await knownGates(this.#client));
    } catch (error) {
      if (this.#signal.aborted) return;
      const { code, message } = toldOf(error);
      if (code === 'not_authenticated') throw notAdmitted(who, error);
      if (!this.#authorityAway) this.#watch.tell({ authority: 'away', code, message });
      this.#authorityAway = true;
      return;
    }
    if (this.#authorityAway) this.#watch.tell({ authority: 'back' });
    this.#authorityAway = false;
  }

  #update(gates: Gate[]): void {
    for (const gate of gates) {
      const known = this.#watched.get(gate.gate);
      if (known) known.gate = gate;
      else this.#start(gate);
    }
    for (const [name, { gate, ending }] of this.#watched) {
      if (gates.some((one) => one.gate === name)) continue;
      ending.abort();
      this.#watched.delete(name);
      this.#watch.tell({ gone: gate });
    }
  }

  #start(gate: Gate): void {
    const watched: Watched = { gate, ending: new AbortController() };
    this.#watched.set(gate.gate, watched);
    this.#keep(watched).catch((error: unknown) => this.#failed.reject(error));
  }

  async #keep(watched: Watched): Promise<void> {
    const signal = AbortSignal.any([this.#signal, watched.ending.signal]);
    let [tries, away] = [0, false];
    while (!signal.aborted) {
      const live = () => {
        if (away) this.#watch.tell({ back: watched.gate });
        [tries, away] = [0, false];
      };
      const { gate } = watched;
      const ended = await this.#session(gate, live, signal);
      if (signal.aborted) return;
      if (!away) this.#watch.tell({ away: gate, ...ended });
      away = true;
      // A gate that cuts an operator says nothing; the authority refuses whom gates have cut.
      await this.#look(`the gate at ${gate.url}`);
      await this.#pauses.pause(this.#pauseMs(tries++), signal);
    }
  }

  async #session(gate: Gate, live: () => void, signal: AbortSignal): Promise<{ code: string; message: string }> {
    try {
      await this.#watch.session(gate, live, signal);
      return { code: 'server_unreachable', message: `the gate at ${gate.url} ended the stream` };
    } catch (error) {
      return toldOf(error);
    }
  }

  /** Doubling, with half of it by chance, so that watchers do not come back in step. */
  #pauseMs(tries: number): number {
    const longest = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(tries, 10));
    return longest * (0.5 + this.#pauses.chance() / 2);
  }
}

function notAdmitted(who: string, cause: unknown): PortcullisError {
  const words = `${who} ended the stream: this operator's certificate is not admitted any more`;
  return new PortcullisError('not_authenticated', words, { cause });
}
