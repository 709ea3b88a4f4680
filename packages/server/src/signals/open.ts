import type { AttributeValue, SourceView } from '@portcullis/contract';
import { heldByMax, PortcullisError } from '@portcullis/contract';
import type { Attributes } from '../attributes/attributes.ts';
import type { Journal } from '../journal/journal.ts';
import type { Revocation } from '../revocation/revocation.ts';
import type { Reader, Store } from '../storage/storage.ts';
import { type Log, type System, timestamp } from '../telemetry/telemetry.ts';
import { Covering } from './covering.ts';
import { live } from './hold-rows.ts';
import { DeliveryReading } from './intake/delivery-reading.ts';
import { compileSignals } from './judge.ts';
import { Judging } from './judging.ts';
import { LettingGo } from './letting-go.ts';
import type { Proven, Reactions, ReactionsBySource, Rings, Signals } from './promises.ts';
import { actorOf, Receiving } from './receiving.ts';
import { Reconciling } from './reconciling.ts';
import type { Order } from './strictest.ts';
import { Tally } from './tally.ts';
import { holdsOn, listHolds } from './views.ts';

interface Parts {
  signals: ReactionsBySource;
  orders: Readonly<Record<string, Order>>;
  store: Store;
  journal: Journal;
  attributes: Attributes;
  revocation: Revocation;
  system: System;
  log: Log;
  alerts: Rings;
  /** What gates tell of readings that prove something. */
  proven: Proven;
  /** Who finds out what follows; not given: a thread. */
  judging?: Pick<Judging, 'judge' | 'stop'>;
}

/** How often is looked for what is to end. */
const lookMs = 1_000;
const forgetEveryLooks = 3_600;

/** What was to end while no process ran ends at once. @throws {PortcullisError} `config_invalid` */
export async function openSignals(parts: Parts): Promise<Signals> {
  const { signals, store, attributes, revocation, system, log, orders, alerts: rings } = parts;
  compileSignals(signals);
  const covering = new Covering({ attributes, revocation, orders });
  const judging = parts.judging ?? new Judging(signals);
  const tally = new Tally(Object.keys(signals));
  const reading = new DeliveryReading();
  const inTurn = turns();
  const shared = { ...parts, covering, rings, inTurn };
  const letting = new LettingGo({ ...shared, startedAt: system.now() });
  const looks = new Looks(letting, log);
  const reconciling = new Reconciling({ store, system, log, addresses: addressesOf(signals) });
  reconciling.begin();
  const receiving = new Receiving({ ...shared, judging, tally, onHeld: () => looks.begin() });
  const known = (source: string) => {
    if (Object.hasOwn(signals, source)) return source;
    throw new PortcullisError('signal_unknown', `fleet.yaml has no source "${source}" under "signals"`);
  };
  const shown = { covering, lacks: letting.lacks.bind(letting) };
  const isAny = await store.read((db) => live(db).limit(1).executeTakeFirst());
  if (isAny) await looks.first();
  return {
    receive: async (source, delivery, by) => receiving.receive(known(source), delivery, by),
    trial: async (source, { headers, raw }) => {
      const { format } = signals[known(source)] as Reactions;
      return receiving.trial(source, await reading.read(format, headers, raw));
    },
    list: (query) => store.read((db) => listHolds(db, query, shown)),
    sources: () => store.read((db) => sourcesOf(db, signals, tally)),
    outcomes: () => tally.outcomes(),
    release: (by, request) => letting.release(by, request),
    apply: (by, request) => letting.apply(by, request),
    letGo: (change, subjects, names) => letting.letGo(change, subjects, names),
    keepStrict: async (change, subjects, set) => {
      const ordered = Object.entries(set).filter(([name]) => orders[name]);
      let changed = 0;
      for (const [name, value] of ordered)
        changed += await covering.keepStrict(change, subjects, [name, value as AttributeValue]);
      return changed;
    },
    heldBy: async (subjects, names) =>
      looks.isOn ? store.read((db) => holdsOn(db, { subjects, names, most: heldByMax }, shown)) : [],
    look: () => letting.look(),
    async [Symbol.asyncDispose]() {
      await looks.stop();
      await reconciling.stop();
      await judging.stop();
      await reading[Symbol.asyncDispose]();
    },
  };
}

function addressesOf(signals: ReactionsBySource) {
  const asked = Object.entries(signals).flatMap(([source, { reconcile }]) => {
    if (!reconcile) return [];
    const { every: everyMs, ...address } = reconcile;
    return [[source, { ...address, everyMs }] as const];
  });
  return new Map(asked);
}

async function sourcesOf(db: Reader, signals: ReactionsBySource, tally: Tally): Promise<SourceView[]> {
  const views: SourceView[] = [];
  for (const [source, config] of Object.entries(signals)) {
    const counts = await live(db)
      .clearSelect()
      .select(({ fn }) => [fn.countAll<number>().as('all'), fn.sum<number | null>('waiting').as('waiting')])
      .where('source', '=', source)
      .executeTakeFirstOrThrow();
    const { outcomes, heardAt, unmatched } = tally.of(source);
    views.push({
      ...{ source, format: config.format, actor: actorOf(source, config) },
      ...{ holds: counts.all, waiting: counts.waiting ?? 0, outcomes: Object.fromEntries(outcomes) },
      heardAt: heardAt === 0 ? null : timestamp(heardAt),
      unmatched: unmatched ? { key: unmatched.key, at: timestamp(unmatched.at) } : null,
    });
  }
  return views;
}

/** One after the other, whatever becomes of the one before. */
function turns(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const done = last.then(work, work);
    last = done.catch(() => undefined);
    return done;
  };
}

/** Looks from time to time, once there is something to look at. */
class Looks {
  readonly #letting: LettingGo;
  readonly #log: Log;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #isOn = false;
  #stopped = false;
  #count = 0;

  constructor(letting: LettingGo, log: Log) {
    [this.#letting, this.#log] = [letting, log];
  }

  /** Something may be held. */
  get isOn(): boolean {
    return this.#isOn;
  }

  begin(): void {
    this.#isOn = true;
    if (this.#stopped) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.first();
    }, lookMs).unref();
  }

  /** And from then on. */
  async first(): Promise<void> {
    this.#looking = this.#look();
    await this.#looking;
    this.begin();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  async #look(): Promise<void> {
    try {
      await this.#letting.look();
      if (++this.#count % forgetEveryLooks === 1) await this.#letting.forget();
    } catch (error) {
      this.#log.error({ err: error }, "couldn't end the holds that are to end by now; trying again");
    }
  }
}
