import type { AttributeValue } from '@portcullis/contract';

export interface Laid {
  id: string;
  value: AttributeValue;
  since: number;
}

/** From the least strict to the strictest; undefined: nobody declared one. */
export type Order = readonly AttributeValue[] | undefined;

/** A value that the order does not name is stricter than all of it: nobody said that it may be let through. */
const rankIn = (order: readonly AttributeValue[], value: AttributeValue) => {
  const rank = order.indexOf(value);
  return rank < 0 ? order.length : rank;
};

/** The hold that counts: the strictest by the order, and of equal ones, or without an order, the oldest. */
export function strictest<Hold extends Laid>(holds: readonly Hold[], order: Order): Hold | undefined {
  return holds.toSorted(
    (a, b) =>
      (order ? rankIn(order, b.value) - rankIn(order, a.value) : 0) || a.since - b.since || (a.id < b.id ? -1 : 1),
  )[0];
}

/** What is in force where a hold lies over a value: never less strict than that value, where an order says which is. */
export function inForce(
  hold: AttributeValue,
  beneath: AttributeValue | null | undefined,
  order: Order,
): AttributeValue {
  if (!order || beneath === null || beneath === undefined) return hold;
  return rankIn(order, beneath) > rankIn(order, hold) ? beneath : hold;
}
