import type { AttributeName, AttributeType, AttributeValue, Kind, LeftByUndo, SubjectId } from '@portcullis/contract';
import { PortcullisError } from '@portcullis/contract';
import type { ChangeRecord, Journal } from '../journal/journal.ts';
import type { Reader } from '../storage/storage.ts';
import { beneathOf } from './beneath.ts';
import type { Difference, Plan, Ruled } from './change.ts';
import type { Reserved } from './reserved.ts';
import { typeOf } from './types.ts';
import type { Written } from './write-values.ts';

/**
 * What puts back the values from before a revision: those that nothing newer touched. It is found out for each subject when it is
 * written, so that the order of commits decides what is newer.
 */
export class Undo implements Plan {
  readonly action = 'change.undo';
  readonly undoes: number;
  readonly named: string[];
  readonly values: number;
  readonly #declared: Record<string, AttributeType>;
  readonly #reserved: Reserved;
  /** The types that values were found to have, and are to have still when they are written. */
  readonly #types = new Map<string, AttributeType | undefined>();
  readonly #left = new Map<string, LeftByUndo[]>();

  private constructor(
    { revision, named, values }: { revision: number; named: string[]; values: number },
    { declared, reserved }: Ruled,
  ) {
    this.undoes = revision;
    this.named = named;
    this.values = values;
    this.#declared = declared;
    this.#reserved = reserved;
  }

  static async of(journal: Journal, record: ChangeRecord, ruled: Ruled): Promise<Undo> {
    const named = new Set<string>();
    let values = 0;
    for await (const deltas of journal.deltasOf(record)) {
      for (const { subject, attributes = {} } of deltas) {
        named.add(subject);
        values += Object.keys(attributes).length;
      }
    }
    return new Undo({ revision: record.revision, named: [...named], values }, ruled);
  }

  /** What it does not put back, and why. */
  get left(): LeftByUndo[] {
    return [...this.#left.values()].flat();
  }

  /** Whatever is put back was there, and has the type of its name. */
  async requireTypes(): Promise<void> {}

  async fixTypes(db: Reader): Promise<void> {
    for (const [name, type] of this.#types) {
      if ((await typeOf(db, name, this.#declared)) === type) continue;
      const why = `"${name}" was given another type meanwhile; nothing was changed`;
      throw new PortcullisError('precondition_failed', why);
    }
  }

  async difference(db: Reader, subjects: string[]): Promise<Difference> {
    const rows = await this.#touchedBy(db, subjects);
    const before = await valuesAt(
      db,
      rows.flatMap(({ before: id }) => id ?? []),
    );
    for (const { subject } of rows) this.#left.delete(subject);
    const beneath = await beneathOf(db, subjects);
    const written: Written[] = [];
    for (const row of rows) {
      const { subject, name } = row;
      const prior = row.before === null ? undefined : before.get(row.before);
      const isHeld = row.beneath === 1 || beneath(row) !== undefined;
      const why = isHeld ? 'held' : await this.#whyLeft(db, row, prior?.value);
      if (why) this.#leave({ subject: subject as SubjectId, attribute: name as AttributeName, why });
      else written.push(putBack(row, prior));
    }
    const newest = Math.max(0, ...rows.map(({ newest }) => newest ?? 0));
    return { written, changed: [...new Set(written.map(({ subject }) => subject))], newest, held: [] };
  }

  /** The values that the revision changed, with the one before each, and by which revision each is what it is. */
  async #touchedBy(db: Reader, subjects: string[]) {
    return db
      .selectFrom('attributeHistory as of')
      .innerJoin('subjects', 'subjects.id', 'of.subject')
      .where('of.subject', 'in', subjects)
      .where('of.revision', '=', this.undoes)
      .select(['of.subject', 'of.name', 'of.type', 'of.visibility', 'of.beneath', 'subjects.kind', 'subjects.retired'])
      .select((select) => [
        select
          .selectFrom('attributeHistory as earlier')
          .whereRef('earlier.subject', '=', 'of.subject')
          .whereRef('earlier.name', '=', 'of.name')
          .whereRef('earlier.id', '<', 'of.id')
          .where('earlier.beneath', '=', 0)
          .select((among) => among.fn.max('earlier.id').as('id'))
          .as('before'),
        select
          .selectFrom('attributeHistory as later')
          .whereRef('later.subject', '=', 'of.subject')
          .whereRef('later.name', '=', 'of.name')
          .where('later.beneath', '=', 0)
          .select((among) => among.fn.max('later.revision').as('revision'))
          .as('newest'),
      ])
      .orderBy('of.id')
      .execute();
  }

  async #whyLeft(db: Reader, row: Touched, prior: string | null | undefined): Promise<LeftByUndo['why'] | undefined> {
    if (row.retired) return 'retired';
    if (this.#reserved.has(row.kind as Kind, row.name)) return 'reserved';
    if (row.newest !== this.undoes) return 'changed_since';
    if (prior === null || prior === undefined) return undefined;
    if (!this.#types.has(row.name)) this.#types.set(row.name, await typeOf(db, row.name, this.#declared));
    return typeof JSON.parse(prior) === this.#types.get(row.name) ? undefined : 'retyped';
  }

  #leave(one: LeftByUndo): void {
    this.#left.set(one.subject, [...(this.#left.get(one.subject) ?? []), one]);
  }
}

interface Touched {
  subject: string;
  name: string;
  type: string;
  visibility: string;
  kind: string;
  retired: number;
  beneath: number;
  newest: number | null;
}

type Prior = Pick<Touched, 'visibility'> & { value: string | null };

async function valuesAt(db: Reader, ids: number[]): Promise<Map<number, Prior>> {
  const rows = await db
    .selectFrom('attributeHistory')
    .select(['id', 'value', 'visibility'])
    .where('id', 'in', ids)
    .execute();
  return new Map(rows.map(({ id, ...row }) => [id, row]));
}

/** Where it had no value before, it has none again. */
function putBack({ subject, name, type, visibility, kind }: Touched, prior: Prior | undefined): Written {
  const value = prior?.value == null ? null : (JSON.parse(prior.value) as AttributeValue);
  const as = value === null ? visibility : (prior?.visibility ?? visibility);
  return {
    ...{ subject, kind: kind as Kind, name, value },
    type: value === null ? (type as AttributeType) : (typeof value as AttributeType),
    visibility: as as Written['visibility'],
  };
}
