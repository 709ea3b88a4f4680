import type { AttributeValue, Kind } from '@portcullis/contract';
import { PortcullisError } from '@portcullis/contract';
import type { Attributes } from '../attributes/attributes.ts';
import type { ChangeTransaction } from '../journal/journal.ts';
import type { Revocation } from '../revocation/revocation.ts';
import type { Reader } from '../storage/storage.ts';
import { type HoldRow, heldValueOf, inPieces, live, liveOver, type Over, oversOf, perTurn } from './hold-rows.ts';
import { inForce, type Order, strictest } from './strictest.ts';

interface Parts {
  attributes: Pick<Attributes, 'lay' | 'lift' | 'beneath' | 'valuesOf'>;
  revocation: Pick<Revocation, 'hold' | 'letGo'>;
  /** By name, of those that have one. */
  orders: Readonly<Record<string, Order>>;
}

/** Something can not be held, and which hold that was. */
export class NotHeld extends Error {
  readonly over: Over;
  readonly why: PortcullisError;

  constructor(over: Over, why: PortcullisError) {
    super(why.message, { cause: why });
    [this.over, this.why] = [over, why];
  }
}

/** From the holds that there are to what gates see: of an attribute the strictest, of a standing that there is one. */
export class Covering {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  orderOf(attribute: string): Order {
    return this.#parts.orders[attribute];
  }

  /** Within a change that began or ended these. @throws {NotHeld} */
  async cover(change: ChangeTransaction, rows: readonly Over[]): Promise<void> {
    await inPieces(
      oversOf(rows),
      async (some) => {
        const kinds = await openKinds(change.db, some);
        for (const over of some) {
          const kind = kinds.get(over.subject);
          // The record of one that is retired is closed: what lies over it stays.
          if (!kind) continue;
          change.touched(over.subject, kind);
          await this.#coverOne(change, over);
        }
      },
      perTurn,
    );
  }

  /** The hold that counts of those that lie over the same. */
  top(rows: readonly HoldRow[]): HoldRow | undefined {
    const [first] = rows;
    if (!first) return undefined;
    if (first.attribute === '') return first;
    const laid = rows.map((row) => ({ row, id: row.id, since: row.since, value: heldValueOf(row) as AttributeValue }));
    return strictest(laid, this.orderOf(first.attribute))?.row;
  }

  async topOver(db: Reader, over: Over): Promise<HoldRow | undefined> {
    return this.top(await liveOver(db, over));
  }

  /** A value comes underneath of these subjects: where it is stricter than what holds it, it is in force. Resolves to how many are so now. */
  async keepStrict(
    change: ChangeTransaction,
    subjects: readonly string[],
    [name, value]: [string, AttributeValue],
  ): Promise<number> {
    let changed = 0;
    await inPieces(subjects, async (some) => {
      const rows = await live(change.db)
        .where('subject', 'in', some)
        .where('attribute', '=', name)
        .where('waiting', '=', 0)
        .execute();
      for (const [subject, holds] of Map.groupBy(rows, (row) => row.subject)) {
        const top = heldValueOf(this.top(holds) as HoldRow) as AttributeValue;
        const above = inForce(top, value, this.orderOf(name));
        if ((await this.#parts.attributes.valuesOf(change.db, subject))[name] === above) continue;
        await this.#parts.attributes.lay(change, { subject, name, value: above });
        changed++;
      }
    });
    return changed;
  }

  async #coverOne(change: ChangeTransaction, over: Over): Promise<void> {
    const { subject, attribute: name } = over;
    const { attributes, revocation } = this.#parts;
    const top = await this.topOver(change.db, over);
    try {
      if (name === '') await (top ? revocation.hold(change, subject) : revocation.letGo(change, subject));
      else if (!top) await attributes.lift(change, { subject, name });
      else {
        const held = heldValueOf(top) as AttributeValue;
        const value = inForce(held, await this.#underneath(change.db, subject, name), this.orderOf(name));
        await attributes.lay(change, { subject, name, value });
      }
    } catch (error) {
      throw error instanceof PortcullisError ? new NotHeld(over, error) : error;
    }
  }

  async #underneath(db: Reader, subject: string, name: string): Promise<AttributeValue | null> {
    const { attributes } = this.#parts;
    const beneath = await attributes.beneath(db, subject);
    if (beneath.has(name)) return beneath.get(name) ?? null;
    return (await attributes.valuesOf(db, subject))[name] ?? null;
  }
}

async function openKinds(db: Reader, overs: readonly Over[]): Promise<Map<string, Kind>> {
  const subjects = [...new Set(overs.map(({ subject }) => subject))];
  const rows = await db
    .selectFrom('subjects')
    .select(['id', 'kind'])
    .where('id', 'in', subjects)
    .where('retired', '=', 0)
    .execute();
  return new Map(rows.map(({ id, kind }) => [id, kind as Kind]));
}
