import {
  PortcullisError,
  type RolloverRequest,
  type RolloverStarted,
  type RolloverStep,
  type RolloverView,
  type Those,
} from '@portcullis/contract';
import type { Issuance } from '../issuance/issuance.ts';
import type { By, Journal } from '../journal/journal.ts';
import type { Writer } from '../storage/storage.ts';
import type { Log } from '../telemetry/telemetry.ts';
import { isByItself, markByItself } from './by-itself.ts';
import { lostProcesses } from './counts.ts';
import { lookAtEnds } from './ends.ts';
import type { FillParts } from './fill.ts';
import { GoingBy } from './going-by.ts';
import { HeldBundles } from './held-bundles.ts';
import { lookAtListEnds } from './list-ends.ts';
import { askElsewhere, type Coming, comingFor, type MakeParts, makeHere, takeElsewhere } from './make.ts';
import { type Minding, NextIssuer } from './next-issuer.ts';
import {
  bundleDueIn,
  isUnderWay,
  keysIn,
  leaving,
  nextBundle,
  notReady,
  type Phase,
  type Row,
  setState,
  shownPhase,
  takeBack,
  underWay,
  underWayIn,
} from './phases.ts';
import type { Rollovers } from './promises.ts';
import { requireNobody, requireRoom, requireStays } from './refusals.ts';
import { Views } from './views.ts';

export interface RolloverParts extends MakeParts, FillParts {
  system: MakeParts['system'];
  journal: Pick<Journal, 'note'>;
  issuance: Issuance;
  log: Log;
}

type Asked = Pick<RolloverStep, 'force' | 'without'>;

const lookEveryMs = 3_600_000;
/** What was signed is on record by then, and counts. */
const onRecordMs = 1_000;
const listedMax = 20;
const itself: By = { actor: 'authority' };

/** One step at a time; what is stored is read anew by all who go by it before the step resolves. */
export async function openRollovers(parts: RolloverParts): Promise<Rollovers> {
  const held = await HeldBundles.read(parts);
  const rollovers = new FleetRollovers(parts, held);
  await rollovers.reload();
  return rollovers;
}

class FleetRollovers implements Rollovers {
  readonly #parts: RolloverParts;
  readonly #held: HeldBundles;
  readonly #views: Views;
  readonly #next: NextIssuer;
  readonly #going: GoingBy;
  readonly #looking: NodeJS.Timeout;
  readonly #stopListening: () => void;
  #turn: Promise<unknown> = Promise.resolve();
  #quiet: Promise<void> = Promise.resolve();
  #stopped = false;
  #bundleDue: number | undefined;
  #again: NodeJS.Timeout | undefined;

  constructor(parts: RolloverParts, held: HeldBundles) {
    this.#parts = parts;
    this.#held = held;
    this.#views = new Views(parts);
    this.#going = new GoingBy({ read: () => this.reload(), inTurn: (work) => this.#inTurn(work), log: parts.log });
    this.#next = new NextIssuer(parts, {
      make: async (reason) => {
        await this.#start({ ...itself, reason }, { what: 'device', beside: true }, true);
      },
      advance: async (id, phase) => {
        await this.#advance(itself, {}, { id, phase });
      },
      isWanted: () => !this.#stopped,
      lookAgain: () => this.#lookAgain(),
    });
    this.#looking = setInterval(() => this.#soon(() => this.look()), lookEveryMs).unref();
    this.#stopListening = parts.issuance.onIssued(() => this.#next.issued());
    this.#soon(() => this.#lookAtEnds());
  }

  get bundleDue(): number | undefined {
    return this.#bundleDue;
  }

  /** What goes by a step that is on disk. */
  async reload(): Promise<void> {
    const { store, issuance } = this.#parts;
    await issuance.reload();
    this.#bundleDue = bundleDueIn(await store.read(underWayIn), issuance.bundle.version);
  }

  async list() {
    const rows = await this.#parts.store.read((db) =>
      db.selectFrom('rollovers').selectAll().orderBy('id', 'desc').limit(listedMax).execute(),
    );
    const items: RolloverView[] = [];
    for (const row of rows) items.push(await this.#views.of(row));
    return { bundle: this.#parts.issuance.bundle.version, issuers: await this.#views.issuersNow(), items };
  }

  makesNext(minding: Minding): void {
    this.#next.minds(minding);
    this.#soon(() => this.#next.look());
  }

  start(by: By, request: Omit<RolloverRequest, 'reason'>): Promise<RolloverStarted> {
    return this.#start(by, request, false);
  }

  #start(
    by: By,
    { what, beside, elsewhere, keys }: Omit<RolloverRequest, 'reason'>,
    byItself: boolean,
  ): Promise<RolloverStarted> {
    return this.#inTurn(async () => {
      const { store, issuance, system } = this.#parts;
      const known = await store.read((db) => db.selectFrom('rollovers').selectAll().execute());
      const running = known.find(isUnderWay);
      const givesWay = running && !beside && (await this.#givesWay(running)) ? running : undefined;
      if (running && !givesWay) throw underWay(running);
      // The root's key may have been brought for this.
      await issuance.reload();
      const issuers = issuance.issuers();
      const taken = new Set([...issuers.map(({ key }) => key), ...known.flatMap(({ comes }) => keysIn(comes))]);
      const coming = await comingFor(this.#parts, what, taken);
      requireRoom(issuers, coming.issuers.length + (coming.root ? 1 : 0), system.now());
      const root = issuers.findLast(({ role, state }) => role === 'root' && state === 'issuing');
      const present = leaving(issuers, what);
      const leaves = beside ? [] : present.map(({ key }) => key);
      const [same = 'p-256'] = present.flatMap(({ signer }) => signer?.keyAlgorithm ?? []);
      const algorithm = keys ?? same;
      const wanted = { ...coming, algorithm };
      const request = elsewhere ? await askElsewhere(this.#parts, wanted) : undefined;
      const made = request ? [] : await makeHere({ ...this.#parts, lifetimes: issuance.lifetimes }, wanted, root);
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
        body: {
          ...{ what, leaves, comes, elsewhere: request !== undefined },
          ...(givesWay && { abandons: givesWay.id }),
        },
      };
      const number = await this.#parts.journal.note(entry, async (db) => {
        if (givesWay) await takeBack(db, givesWay, at);
        if (made.length > 0) await db.insertInto('issuers').values(made).execute();
        const bundle = made.length > 0 ? await nextBundle(db, at) : 0;
        const { id } = await db
          .insertInto('rollovers')
          .values({ ...row, id: known.length + 1, bundle })
          .returning('id')
          .executeTakeFirstOrThrow();
        if (byItself) await markByItself(db, id);
        return id;
      });
      await this.#going.step(entry.action);
      return { rollover: await this.#view(number), ...(request && { request }) };
    });
  }

  /** What came by itself and signed nothing yet stands in nobody's way. */
  async #givesWay({ id, phase }: Row): Promise<boolean> {
    const isIdle = phase === 'prepared' || phase === 'trusted';
    return isIdle && (await this.#parts.store.read((db) => isByItself(db, id)));
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

  advance(by: By, asked: Asked): Promise<RolloverView> {
    return this.#advance(by, asked);
  }

  #advance(by: By, asked: Asked, of?: Pick<Row, 'id' | 'phase'>): Promise<RolloverView> {
    const from: Phase[] = ['prepared', 'trusted'];
    return this.#step(by, { action: 'rollovers.advance', from, asked }, async (row) => {
      if (of && (row.id !== of.id || row.phase !== of.phase)) throw notReady(row, from);
      if (row.phase === 'prepared') {
        const { lacking } = await this.#views.of(row);
        requireNobody(lacking, asked, `do not hold version ${row.bundle} of the bundle`);
        return async () => ({ phase: 'trusted' });
      }
      await this.#requireKeys(row);
      return async (db, at) => {
        await setState(db, this.#issuersIn(row.leaves), 'ending');
        await setState(db, this.#issuersIn(row.comes), 'issuing');
        await nextBundle(db, at);
        // Beside others it is done: nobody goes.
        return { phase: keysIn(row.leaves).length > 0 ? 'issuing' : 'retired' };
      };
    });
  }

  /** An authority that lacks the key of one that signs does not start. */
  async #requireKeys(row: Row): Promise<void> {
    // It may have been carried here.
    await this.#parts.issuance.reload();
    const [lacking] = this.#views.named(this.#issuersIn(row.comes)).filter(({ signer }) => !signer);
    if (!lacking) return;
    const words = `"${lacking.name}" can not sign here: its key "${lacking.key}" is not here; carry it from where it was made`;
    throw new PortcullisError('key_unusable', words);
  }

  retire(by: By, asked: Asked): Promise<RolloverView> {
    return this.#step(by, { action: 'rollovers.retire', from: ['issuing'], asked }, async (row) => {
      const { lacking, below, tokens } = await this.#views.of(row);
      if (row.what === 'root') await requireStays(this.#parts, by, this.#views.named(keysIn(row.leaves)));
      // Below an issuer that goes nobody is lost who shows it, as gates and desks do: its root stays.
      if (row.what === 'root' || !asked.force) requireNobody(below, asked, 'have certificates of what would go');
      requireNobody(lacking, asked, `do not hold version ${row.bundle} of the bundle`);
      if (!asked.force) requireNobody(tokens, asked, 'have unused tokens from before it');
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

  lost(): Promise<Those> {
    return lostProcesses(this.#parts);
  }

  abandon(by: By): Promise<RolloverView> {
    const from: Phase[] = ['asked', 'prepared', 'trusted'];
    return this.#step(by, { action: 'rollovers.abandon', from }, async (row) => async (db, at) => {
      await takeBack(db, row, at);
      return { phase: 'abandoned' };
    });
  }

  heard(subject: string, version: number | undefined, instance?: string): void {
    if (this.#held.heard(subject, version, instance)) this.#soon(() => this.settled());
  }

  async settled(): Promise<void> {
    await this.#held.settled();
    await this.#finish();
  }

  async look(): Promise<void> {
    await this.#lookAtEnds();
    await this.#next.look();
  }

  async #lookAtEnds(): Promise<void> {
    await this.settled();
    await lookAtEnds(this.#parts);
    await lookAtListEnds(this.#parts);
  }

  #lookAgain(): void {
    if (this.#stopped) return;
    this.#again = setTimeout(() => this.#soon(() => this.#next.look()), onRecordMs).unref();
  }

  #soon(work: () => Promise<void>): void {
    this.#quiet = this.#quiet
      .then(() => (this.#stopped ? undefined : work()))
      .catch((error: unknown) => {
        this.#parts.log.error({ err: error }, "couldn't look at what issuers there are; trying again");
      });
  }

  /** What goes on by itself does. */
  async #finish(): Promise<void> {
    const row = await this.#parts.store.read(underWayIn);
    if (row?.phase === 'retiring') await this.#finishRoot(row);
    if (row && (await this.#next.goesOn(row))) await this.#next.look();
  }

  /** The server certificates below the old root were renewed, or ended. */
  async #finishRoot(row: Row): Promise<void> {
    const { system, issuance } = this.#parts;
    const ended = system.now() > row.changedAt + issuance.lifetimes.serverMs;
    if (!ended && (await this.#views.lackingOf(row)).count > 0) return;
    await this.#step(itself, { action: 'rollovers.retired', from: ['retiring'] }, async () => async (db, at) => {
      await setState(db, keysIn(row.leaves), 'retired');
      await nextBundle(db, at);
      return { phase: 'retired' };
    }).catch((error: unknown) => {
      if (!(error instanceof PortcullisError && error.code === 'rollover_not_ready')) throw error;
    });
  }

  #step(
    by: By,
    { action, from, asked = {} }: { action: string; from: readonly Phase[]; asked?: Asked },
    prepare: (row: Row) => Promise<(db: Writer, at: number) => Promise<Partial<Row> & { phase: Phase }>>,
  ): Promise<RolloverView> {
    return this.#inTurn(async () => {
      const { store, journal, system } = this.#parts;
      const row = await store.read(underWayIn);
      if (!row || !from.includes(row.phase)) throw notReady(row, from);
      const work = await prepare(row);
      const at = system.now();
      const entry = { ...by, action, body: (phase: Phase) => ({ rollover: row.id, phase, ...asked }) };
      await journal.note(entry, async (db) => {
        const next = await work(db, at);
        await db
          .updateTable('rollovers')
          .set({ ...next, changedAt: at })
          .where('id', '=', row.id)
          .execute();
        return shownPhase({ ...row, ...next });
      });
      await this.#going.step(action);
      return this.#view(row.id);
    });
  }

  async #view(id: number): Promise<RolloverView> {
    return this.#views.of(
      await this.#parts.store.read((db) =>
        db.selectFrom('rollovers').selectAll().where('id', '=', id).executeTakeFirstOrThrow(),
      ),
    );
  }

  #issuersIn = (keys: string) =>
    this.#views
      .named(keysIn(keys))
      .filter(({ role }) => role !== 'root')
      .map(({ key }) => key);
  #rootsIn = (keys: string) =>
    this.#views
      .named(keysIn(keys))
      .filter(({ role }) => role === 'root')
      .map(({ key }) => key);

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const begun = async () => {
      await this.#going.catchUp();
      return work();
    };
    const turn = this.#turn.catch(() => undefined).then(begun);
    this.#turn = turn;
    return turn;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#looking);
    this.#going.stop();
    clearTimeout(this.#again);
    this.#stopListening();
    await this.#quiet;
    await this.#held.settled();
    await this.#turn.catch(() => undefined);
  }
}
