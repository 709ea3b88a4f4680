import { PortcullisError, type RolloverRequest, type RolloverStarted, type RolloverView } from '@portcullis/contract';
import type { AlertsRaised } from '../alerts/alerts.ts';
import { type FleetIssuer, type Issuance, serverLifetimeMs } from '../issuance/issuance.ts';
import type { By, Journal } from '../journal/journal.ts';
import type { Store, Writer } from '../storage/storage.ts';
import { type Log, timestamp } from '../telemetry/telemetry.ts';
import { belowIssuers, isAbove, lackingBundle, lackingProcesses, olderTokens } from './counts.ts';
import { lookAtEnds } from './ends.ts';
import { HeldBundles } from './held-bundles.ts';
import { askElsewhere, type Coming, comingFor, type MakeParts, makeHere, takeElsewhere } from './make.ts';
import {
  isUnderWay,
  keysIn,
  leaving,
  nextBundle,
  notReady,
  type Phase,
  type Row,
  requireNobody,
  roleIn,
  setState,
  underWay,
  underWayIn,
} from './phases.ts';
import type { Rollovers } from './promises.ts';

export interface RolloverParts extends MakeParts {
  store: Store;
  journal: Pick<Journal, 'note'>;
  issuance: Issuance;
  alerts: AlertsRaised;
  log: Log;
}

const lookEveryMs = 3_600_000;
const listedMax = 20;
const none = { count: 0, named: [] };

/** One step at a time; what is stored is read anew by all who go by it before the step resolves. */
export async function openRollovers(parts: RolloverParts): Promise<Rollovers> {
  const held = await HeldBundles.read(parts);
  return new FleetRollovers(parts, held);
}

class FleetRollovers implements Rollovers {
  readonly #parts: RolloverParts;
  readonly #held: HeldBundles;
  readonly #looking: NodeJS.Timeout;
  #turn: Promise<unknown> = Promise.resolve();
  #quiet: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(parts: RolloverParts, held: HeldBundles) {
    this.#parts = parts;
    this.#held = held;
    this.#looking = setInterval(() => this.#lookSoon(), lookEveryMs).unref();
    this.#lookSoon();
  }

  async list() {
    const rows = await this.#parts.store.read((db) =>
      db.selectFrom('rollovers').selectAll().orderBy('id', 'desc').limit(listedMax).execute(),
    );
    const items: RolloverView[] = [];
    for (const row of rows) items.push(await this.#viewOf(row));
    return { bundle: this.#parts.issuance.bundle.version, items };
  }

  start(by: By, { what, elsewhere, keys }: Omit<RolloverRequest, 'reason'>): Promise<RolloverStarted> {
    return this.#inTurn(async () => {
      const { store, issuance, system } = this.#parts;
      const known = await store.read((db) => db.selectFrom('rollovers').selectAll().execute());
      const running = known.find(isUnderWay);
      if (running) throw underWay(running);
      // The root's key may have been brought for this.
      await issuance.reload();
      const issuers = issuance.issuers();
      const taken = new Set([...issuers.map(({ key }) => key), ...known.flatMap(({ comes }) => keysIn(comes))]);
      const coming = await comingFor(this.#parts, what, taken);
      const root = issuers.findLast(({ role, state }) => role === 'root' && state === 'issuing');
      const goes = leaving(issuers, what);
      const leaves = goes.map(({ key }) => key);
      const issuing = goes.find(({ signer }) => signer);
      const algorithm = keys ?? issuing?.signer?.keyAlgorithm ?? 'p-256';
      const wanted = { ...coming, algorithm };
      const request = elsewhere ? await askElsewhere(this.#parts, wanted) : undefined;
      const made = request ? [] : await makeHere(this.#parts, wanted, root);
      const comes = [...(coming.root ? [coming.root.key] : []), ...coming.issuers.map(({ key }) => key)];
      const at = system.now();
      const row: Omit<Row, 'id' | 'bundle'> = {
        ...{
          what: what === 'root' ? 'root' : 'issuer',
          phase: request ? 'asked' : 'prepared',
          startedAt: at,
          changedAt: at,
        },
        ...{ leaves: JSON.stringify(leaves), comes: JSON.stringify(comes) },
        request: request ? JSON.stringify({ coming, request }) : null,
      };
      const entry = {
        ...by,
        action: 'rollovers.start',
        body: { what, leaves, comes, elsewhere: request !== undefined },
      };
      const number = await this.#parts.journal.note(entry, async (db) => {
        if (made.length > 0) await db.insertInto('issuers').values(made).execute();
        const bundle = made.length > 0 ? await nextBundle(db, at) : 0;
        const { id } = await db
          .insertInto('rollovers')
          .values({ ...row, id: known.length + 1, bundle })
          .returning('id')
          .executeTakeFirstOrThrow();
        return id;
      });
      await issuance.reload();
      return { rollover: await this.#view(number), ...(request && { request }) };
    });
  }

  answer(by: By, text: string): Promise<RolloverView> {
    return this.#step(by, { action: 'rollovers.answer', from: ['asked'] }, async (row) => {
      const { coming } = JSON.parse(row.request ?? '{}') as { coming: Coming };
      const roots = this.#parts.issuance.issuers().filter(({ role }) => role === 'root');
      const made = await takeElsewhere(this.#parts, text, { coming, roots });
      return async (db, at) => {
        await db.insertInto('issuers').values(made).execute();
        return { phase: 'prepared', bundle: await nextBundle(db, at) };
      };
    });
  }

  advance(by: By, { force = false }: { force?: boolean | undefined }): Promise<RolloverView> {
    return this.#step(by, { action: 'rollovers.advance', from: ['prepared', 'trusted'], force }, async (row) => {
      if (row.phase === 'prepared') {
        const { lacking } = await this.#viewOf(row);
        if (!force) requireNobody(lacking, `do not hold version ${row.bundle} of the bundle`);
        return async () => ({ phase: 'trusted' });
      }
      return async (db, at) => {
        await setState(db, this.#issuersIn(row.leaves), 'ending');
        await setState(db, this.#issuersIn(row.comes), 'issuing');
        await nextBundle(db, at);
        return { phase: 'issuing' };
      };
    });
  }

  retire(by: By, { force = false }: { force?: boolean | undefined }): Promise<RolloverView> {
    return this.#step(by, { action: 'rollovers.retire', from: ['issuing'], force }, async (row) => {
      const { lacking, below, tokens } = await this.#viewOf(row);
      await this.#requireStays(by, row);
      if (!force) {
        requireNobody(below, 'have certificates of what would go');
        requireNobody(lacking, `do not hold version ${row.bundle} of the bundle`);
        requireNobody(tokens, 'have unused tokens from before it');
      }
      return async (db, at) => {
        if (row.what === 'issuer') {
          await setState(db, keysIn(row.leaves), 'retired');
          await nextBundle(db, at);
          return { phase: 'retired' };
        }
        // Servers go below the new root first; the old one leaves the bundle once none is below it any more.
        await setState(db, this.#rootsIn(row.leaves), 'ending');
        await setState(db, this.#rootsIn(row.comes), 'issuing');
        return { phase: 'retiring', bundle: await nextBundle(db, at) };
      };
    });
  }

  /** Nobody shuts the door behind which they stand: after it the authority lets in who is below the new root alone. */
  async #requireStays({ actor: subject }: By, row: Row): Promise<void> {
    const { store, system } = this.#parts;
    if (row.what !== 'root') return;
    const losing = this.#losing(this.#named(keysIn(row.leaves)));
    if (await isAbove(store, losing, { subject, now: system.now() })) return;
    const words = `"${subject}" would be lost itself, whose certificate is of what would go; "portcullis operator renew" comes first`;
    throw new PortcullisError('rollover_loses', words);
  }

  abandon(by: By): Promise<RolloverView> {
    const from: Phase[] = ['asked', 'prepared', 'trusted'];
    return this.#step(by, { action: 'rollovers.abandon', from }, async (row) => async (db, at) => {
      await setState(db, keysIn(row.comes), 'retired');
      if (row.phase !== 'asked') await nextBundle(db, at);
      return { phase: 'abandoned' };
    });
  }

  heard(subject: string, version: number | undefined): void {
    if (this.#held.heard(subject, version)) this.#lookSoon();
  }

  async settled(): Promise<void> {
    await this.#held.settled();
    await this.look();
  }

  async look(): Promise<void> {
    await this.#finish();
    await lookAtEnds(this.#parts);
  }

  #lookSoon(): void {
    this.#quiet = this.#quiet
      .then(() => (this.#stopped ? undefined : this.settled()))
      .catch((error: unknown) => {
        this.#parts.log.error({ err: error }, "couldn't look at what issuers there are; trying again");
      });
  }

  /** By itself: the server certificates below the old root were renewed, or ended. */
  async #finish(): Promise<void> {
    const row = await this.#parts.store.read(underWayIn);
    if (row?.phase !== 'retiring') return;
    const ended = this.#parts.system.now() > row.changedAt + serverLifetimeMs;
    if (!ended && (await this.#lackingOf(row)).count > 0) return;
    const by = { actor: 'authority' };
    await this.#step(by, { action: 'rollovers.retired', from: ['retiring'] }, async () => async (db, at) => {
      await setState(db, keysIn(row.leaves), 'retired');
      await nextBundle(db, at);
      return { phase: 'retired' };
    }).catch((error: unknown) => {
      if (!(error instanceof PortcullisError && error.code === 'rollover_not_ready')) throw error;
    });
  }

  #step(
    by: By,
    { action, from, force = false }: { action: string; from: readonly Phase[]; force?: boolean },
    prepare: (row: Row) => Promise<(db: Writer, at: number) => Promise<Partial<Row> & { phase: Phase }>>,
  ): Promise<RolloverView> {
    return this.#inTurn(async () => {
      const { store, journal, issuance, system } = this.#parts;
      const row = await store.read(underWayIn);
      if (!row || !from.includes(row.phase)) throw notReady(row, from);
      const work = await prepare(row);
      const at = system.now();
      const forced = force ? { force } : {};
      const entry = { ...by, action, body: (phase: Phase) => ({ rollover: row.id, phase, ...forced }) };
      await journal.note(entry, async (db) => {
        const next = await work(db, at);
        await db
          .updateTable('rollovers')
          .set({ ...next, changedAt: at })
          .where('id', '=', row.id)
          .execute();
        return next.phase;
      });
      await issuance.reload();
      return this.#view(row.id);
    });
  }

  async #view(id: number): Promise<RolloverView> {
    return this.#viewOf(
      await this.#parts.store.read((db) =>
        db.selectFrom('rollovers').selectAll().where('id', '=', id).executeTakeFirstOrThrow(),
      ),
    );
  }

  async #viewOf(row: Row): Promise<RolloverView> {
    const { store, system } = this.#parts;
    const now = system.now();
    const all = this.#named(keysIn(row.comes));
    const counts = isUnderWay(row) && row.phase !== 'asked';
    const bundle = await this.#bundleOf(row);
    const leaves = this.#named(keysIn(row.leaves));
    return {
      number: row.id,
      what: row.what === 'root' ? 'root' : roleIn(keysIn(row.comes)),
      phase: row.phase,
      startedAt: timestamp(row.startedAt),
      changedAt: timestamp(row.changedAt),
      leaves: leaves.map(({ name }) => name),
      comes: all.length > 0 ? all.map(({ name }) => name) : keysIn(row.comes),
      bundle: row.bundle,
      lacking: counts ? await this.#lackingOf(row) : none,
      below: counts ? await belowIssuers(store, this.#losing(leaves), now) : none,
      tokens: counts && row.what === 'root' ? await olderTokens(store, bundle, now) : none,
    };
  }

  /** Of an issuer gates and desks alone: everybody else is shown its certificate by who has one below it. */
  async #lackingOf(row: Row) {
    const { store, system } = this.#parts;
    const everybody = row.what === 'root' && row.phase !== 'retiring';
    return (everybody ? lackingBundle : lackingProcesses)(store, await this.#bundleOf(row), system.now());
  }

  async #bundleOf({ bundle: version }: Row) {
    const row = await this.#parts.store.read((db) =>
      db.selectFrom('bundles').selectAll().where('version', '=', version).executeTakeFirst(),
    );
    return row ?? { version, at: 0 };
  }

  /** Below a root that goes, those too that were retired before with certificates of theirs. */
  #losing(leaves: readonly FleetIssuer[]): FleetIssuer[] {
    const roots = leaves.filter(({ role }) => role === 'root').map(({ name }) => name);
    const below = this.#parts.issuance.issuers().filter(({ issuer }) => roots.includes(issuer));
    return [...new Set([...leaves, ...below])];
  }

  #named(keys: readonly string[]): FleetIssuer[] {
    return this.#parts.issuance.issuers().filter(({ key }) => keys.includes(key));
  }

  #issuersIn = (keys: string) =>
    this.#named(keysIn(keys))
      .filter(({ role }) => role !== 'root')
      .map(({ key }) => key);
  #rootsIn = (keys: string) =>
    this.#named(keysIn(keys))
      .filter(({ role }) => role === 'root')
      .map(({ key }) => key);

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#turn.catch(() => undefined).then(work);
    this.#turn = turn;
    return turn;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#looking);
    await this.#quiet;
    await this.#held.settled();
    await this.#turn.catch(() => undefined);
  }
}
