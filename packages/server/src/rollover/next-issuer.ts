import { PortcullisError } from '@portcullis/contract';
import type { Issuance } from '../issuance/issuance.ts';
import type { Keys } from '../keys/keys.ts';
import type { Log } from '../telemetry/telemetry.ts';
import { isByItself } from './by-itself.ts';
import { countLive, type Fill, type FillParts, type Following, fillOf, isFilling, isFull, tellFill } from './fill.ts';
import { FillMark } from './fill-mark.ts';
import { keysIn, type Phase, type Row, underWayIn } from './phases.ts';

export interface Minding {
  /** No other machine may lead, which would not have the key of what is made here. */
  isAlone(): Promise<boolean>;
}

interface Parts extends FillParts {
  keys: Pick<Keys, 'open'>;
  issuance: Issuance;
  log: Log;
}

interface Steps {
  make(reason: string): Promise<void>;
  /** Of this rollover, from this phase alone. @throws {PortcullisError} `rollover_not_ready`, `rollover_loses`, `key_unusable` */
  advance(rollover: number, from: Phase): Promise<void>;
  isWanted(): boolean;
  /** In a moment. */
  lookAgain(): void;
}

/** A fleet of a million has ten. A setting that asks for more than so many is looked at by somebody first. */
const issuersMax = 16;

/**
 * The next issuer for devices, beside the present ones. It is made in advance, told to gates and desks, and signs once those are full: by itself
 * where the root's key is here and nobody else would need the new one. Where that is not so it says which command somebody is to run.
 */
export class NextIssuer {
  readonly #parts: Parts;
  readonly #steps: Steps;
  readonly #mark: FillMark;
  #minding: Minding | undefined;
  #hasFailed = false;
  #looking: Promise<void> = Promise.resolve();

  constructor(parts: Parts, steps: Steps) {
    this.#parts = parts;
    this.#steps = steps;
    this.#mark = new FillMark(parts.issuers.perCertificates);
  }

  minds(minding: Minding): void {
    this.#minding = minding;
  }

  /** One more certificate was signed. */
  issued(): void {
    if (this.#mark.issued()) this.#steps.lookAgain();
  }

  /** One after the other. */
  look(): Promise<void> {
    this.#looking = this.#looking.catch(() => undefined).then(() => this.#look());
    return this.#looking;
  }

  async #look(): Promise<void> {
    this.#mark.counting();
    const counts = await countLive(this.#parts, this.#steps.isWanted);
    if (!counts) return;
    this.#parts.issuance.counted(counts);
    const fill = fillOf(this.#parts, counts);
    if (!fill) return;
    const following = await this.#care(fill);
    const after = fillOf(this.#parts, counts) ?? fill;
    await tellFill(this.#parts, after, following);
    if (this.#mark.counted(after)) this.#steps.lookAgain();
  }

  /** Who is under way by itself and waits for gates and desks goes on where they hold the bundle. True where it did. */
  async goesOn(row: Row): Promise<boolean> {
    return this.#minding !== undefined && row.phase === 'prepared' && (await this.#isOwn(row))
      ? (await this.#advance(row, 'prepared')) === undefined
      : false;
  }

  async #care(fill: Fill): Promise<Following> {
    const row = (await this.#underWay()) ?? (await this.#made(fill));
    if (!row || !(await this.#isOwn(row))) return undefined;
    const [name = ''] = this.#namesOf(row);
    const inItsWay = row.phase === 'prepared' ? await this.#advance(row, 'prepared') : undefined;
    if (inItsWay !== undefined || !isFull(fill)) return { name, inItsWay };
    const stays = await this.#takeOver(row);
    return stays === undefined ? undefined : { name, inItsWay: stays };
  }

  /** Resolves to what stands in its way. */
  async #takeOver(row: Row): Promise<string | undefined> {
    if (await this.#minding?.isAlone()) return this.#advance(row, 'trusted');
    return 'another authority may lead and not have its key; carry the key there, then "portcullis rollover advance"';
  }

  async #advance({ id }: Row, from: Phase): Promise<string | undefined> {
    if (!this.#minding) return 'the authority does not run';
    try {
      await this.#steps.advance(id, from);
      return undefined;
    } catch (error) {
      if (error instanceof PortcullisError) return error.message;
      throw error;
    }
  }

  async #made(fill: Fill): Promise<Row | undefined> {
    if (!isFilling(fill) || !(await this.#mayMake(fill))) return undefined;
    try {
      await this.#steps.make(`the issuers for devices have ${fill.live} certificates of ${fill.room}`);
    } catch (error) {
      if (error instanceof PortcullisError && error.code === 'rollover_under_way') return this.#underWay();
      // What failed may have left a key behind: not one each hour.
      this.#hasFailed = true;
      this.#parts.log.error(
        { err: error },
        "couldn't make the next issuer for devices; it is tried again after the next start",
      );
      return undefined;
    }
    return this.#underWay();
  }

  async #mayMake({ names }: Fill): Promise<boolean> {
    if (!this.#minding || this.#hasFailed || names.length >= issuersMax) return false;
    if (!(await this.#minding.isAlone()) || (await this.#wasTakenBack())) return false;
    const { issuance, keys, system } = this.#parts;
    const root = issuance.issuers().findLast(({ role, state }) => role === 'root' && state === 'issuing');
    if (!root || root.notAfter <= system.now() + issuance.lifetimes.endsSoonMs) return false;
    // It may have been brought since it was looked for, or taken away.
    return keys.open(root.key).then(
      () => true,
      () => false,
    );
  }

  /** Whoever took back the last one that came by itself wants none. */
  async #wasTakenBack(): Promise<boolean> {
    const last = await this.#parts.store.read((db) =>
      db.selectFrom('rollovers').selectAll().orderBy('id', 'desc').limit(1).executeTakeFirst(),
    );
    return last?.phase === 'abandoned' && (await this.#isOwn(last));
  }

  #underWay = () => this.#parts.store.read(underWayIn);
  #isOwn = ({ id }: Row) => this.#parts.store.read((db) => isByItself(db, id));

  #namesOf({ comes }: Row): string[] {
    const keys = keysIn(comes);
    return this.#parts.issuance
      .issuers()
      .filter(({ key }) => keys.includes(key))
      .map(({ name }) => name);
  }
}
