import { z } from 'zod';

const whole = z.int().min(0);
/** Batches from one to another; `at`: the sequence in the stream after which none of their readings comes. */
const Range = z.tuple([whole, whole, whole]);
export type Range = z.infer<typeof Range>;

/** A reading that another gate had stored and not looked at when this one stored it too. */
const Rival = z.object({ sequence: whole, batch: whole, other: whole });
export type Rival = z.infer<typeof Rival>;

/**
 * What a gate says of its readings, under `settled.GATE`; the last one holds for all of them. A reading of a batch is readable if the batch is at
 * or below `looked` and in no range of `quarantine`; it is proven if it is at or below `proven` too and in no range of `unproven`.
 */
export const GateState = z.object({
  gate: z.string(),
  /** The process that writes, told apart from every other one. */
  holder: z.string(),
  /** The last batch of which readings may be in the stream, and the last of which all are. */
  begun: whole,
  committed: whole,
  looked: whole,
  proven: whole,
  quarantine: z.array(Range),
  unproven: z.array(Range),
  rivals: z.array(Rival),
  /** Batches that are begun and not proven, each with a sequence that all of its readings come after. */
  open: z.array(z.tuple([whole, whole])),
});
export type GateState = z.infer<typeof GateState>;

export const emptyState = (gate: string, holder: string): GateState => ({
  ...{ gate, holder, begun: 0, committed: 0, looked: 0, proven: 0 },
  ...{ quarantine: [], unproven: [], rivals: [], open: [] },
});

export const holds = (ranges: readonly Range[], batch: number) =>
  ranges.some(([first, last]) => first <= batch && batch <= last);

export const isReadable = (state: GateState, batch: number) => batch <= state.looked && !holds(state.quarantine, batch);

export const isProven = (state: GateState, batch: number) => batch <= state.proven && !holds(state.unproven, batch);

/** Batches added one by one: neighbours are one range. */
export function withBatches(ranges: readonly Range[], batches: readonly number[], at: number): Range[] {
  const all = ranges.map((range): Range => [...range]);
  for (const batch of batches) {
    if (holds(all, batch)) continue;
    const before = all.find(([, last]) => last === batch - 1);
    if (before) [before[1], before[2]] = [batch, at];
    else all.push([batch, batch, at]);
  }
  return all;
}

/** Without what is of no reading that the stream still has. */
export function withoutOlder(state: GateState, firstSequence: number): GateState {
  const kept = (ranges: Range[]) => ranges.filter(([, , at]) => at >= firstSequence);
  return { ...state, quarantine: kept(state.quarantine), unproven: kept(state.unproven) };
}

/** Up to which sequence each reading is readable or never will be; `final`: nor changes its proof. `last`: that of the state. */
export function boundOf({ open, looked }: GateState, last: number, final = false): number {
  const [first] = open.filter(([batch]) => final || batch > looked);
  return first ? first[1] : last;
}
