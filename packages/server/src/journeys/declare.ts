import { type ArrivalAnswer, PortcullisError } from '@portcullis/contract';
import type { ChangeTransaction } from '../journal/journal.ts';
import { type ArrivalParts, answerOf, digestOf, enter } from './arrivals.ts';
import { replace } from './corrections.ts';
import type { Asks } from './promises.ts';
import { findArrival, requireShipment } from './shipment.ts';

interface Declared {
  asks: Asks;
  /** The arrival that it stands for. */
  replaces?: string | undefined;
  reason: string;
}

/** An operator says that a step was taken. It is judged as an arrival is, but for who may record it. @throws {PortcullisError} why it is refused */
export async function declare(
  parts: ArrivalParts,
  change: ChangeTransaction,
  { asks, replaces, reason }: Declared,
): Promise<ArrivalAnswer> {
  const { db, actor } = change;
  const says = { subject: actor, isDeclared: true };
  const shipment = await requireShipment(db, parts.versions, asks.shipment);
  const known = await findArrival(db, asks.shipment, asks.arrival);
  if (replaces !== undefined && !known) {
    await replace(parts, change, shipment, { asks, replaces, reason });
    const made = await findArrival(db, asks.shipment, asks.arrival);
    if (made) return answered(answerOf(shipment, made));
  }
  if (known && (known.digest !== digestOf(asks, says) || known.replaces !== (replaces ?? null))) {
    const words = `"${asks.arrival}" is an arrival of this shipment already, and says something else`;
    throw new PortcullisError('arrival_id_reused', words);
  }
  return answered(await enter(parts, change, asks, says));
}

/** What is refused was not done: an operator is told, and there is no attempt to keep. */
function answered(recorded: Awaited<ReturnType<typeof enter>>): ArrivalAnswer {
  if (recorded && recorded.outcome !== 'refused') return recorded;
  const { reason, why, ...detail } = recorded?.refusal ?? { reason: 'out_of_sequence', why: 'it does not fit' };
  throw new PortcullisError(reason, why, { detail });
}
