/** Whether memory returned to where it was: the middle of a late window beside that of an early one. Pure. */
import type { Memory } from './memory.ts';

/** By process. */
export type Sample = Record<string, Memory>;

/** What a late window may have more than an early one: a share of that, and so many bytes. */
const tolerances: Record<keyof Memory, { share: number; bytes: number }> = {
  // Heap is counted after its garbage was collected; pages that the allocator holds come and go with what was there at once.
  rss: { share: 0.1, bytes: 16 * 1_048_576 },
  heap: { share: 0.05, bytes: 2 * 1_048_576 },
  external: { share: 0.05, bytes: 2 * 1_048_576 },
};
/** Of all samples. */
const windowShare = 0.2;
const windowLeast = 3;

export interface Compared {
  early: number;
  late: number;
  /** The most that `late` may be. */
  allowed: number;
  returned: boolean;
}

export interface Verdict {
  returned: boolean;
  processes: Record<string, Record<keyof Memory, Compared>>;
}

/** Of fewer looks than these nothing can be said. */
export const looksMin = 2 * windowLeast;

/** `samples`: those after the warm-up, oldest first. */
export function judge(samples: readonly Sample[]): Verdict {
  if (samples.length < looksMin)
    throw new Error(`${samples.length} samples are too few; there must be at least ${looksMin}`);
  const size = Math.max(windowLeast, Math.floor(samples.length * windowShare));
  const [early, late] = [samples.slice(0, size), samples.slice(-size)];
  const names = Object.keys(samples[0] as Sample);
  const compared = (name: string) => {
    const of = (what: keyof Memory) => {
      const [before, after] = [early, late].map((window) =>
        middle(window.map((sample) => sample[name]?.[what] as number)),
      );
      return compare(before as number, after as number, tolerances[what]);
    };
    return { rss: of('rss'), heap: of('heap'), external: of('external') };
  };
  const processes = Object.fromEntries(names.map((name) => [name, compared(name)]));
  const returned = Object.values(processes).every((one) => Object.values(one).every((each) => each.returned));
  return { returned, processes };
}

function compare(early: number, late: number, { share, bytes }: { share: number; bytes: number }): Compared {
  const allowed = Math.round(early * (1 + share) + bytes);
  return { early, late, allowed, returned: late <= allowed };
}

function middle(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] as number;
}
