import type { Sink } from '../promises.ts';
import type { Told } from './numbers.ts';
import { afterAll, type Progress } from './progress.ts';
import type { Spool } from './spool.ts';

/** What a process that ended left, as it was found. */
export interface Left {
  told: Told;
  progress: Progress;
  isEmpty: boolean;
  /** What it drained last, and may not have named. */
  unnamed: number[];
}

export function leftIn({ told, progress, isEmpty }: Spool): Left {
  const { batch, direct } = progress;
  return { told, progress, isEmpty, unnamed: isEmpty && batch > direct && batch !== afterAll ? [batch] : [] };
}

/**
 * What a process that ended had on record, or under way, comes before anything is settled: what it gave up, what was drained and not named yet, and
 * what may have been drained in part. Resolves to the batches that are to be settled.
 */
export async function giveWordOf(sink: Sink, { told, progress, isEmpty }: Left): Promise<number[]> {
  const found = (await sink.unsettled()).map(({ batch }) => batch);
  const isGivenUp = (batch: number) => told.quarantine.includes(batch) || (!isEmpty && batch > progress.batch);
  const isNamed = (batch: number) =>
    told.unproven.includes(batch) || (batch > progress.direct && batch <= progress.batch);
  const quarantine = found.filter(isGivenUp);
  const unproven = found.filter((batch) => !isGivenUp(batch) && isNamed(batch));
  if (quarantine.length + unproven.length > 0)
    await sink.mark({ looked: Math.max(0, ...unproven), quarantine, proven: 0, unproven });
  return found.filter((batch) => !isGivenUp(batch) && !isNamed(batch));
}

/** Numbers that were given and never came to the sink are not given again: records tell of them. */
export function baseOf(sink: Sink, { told, progress }: Left): number {
  const given = progress.batch === afterAll ? 0 : progress.batch;
  const named = [...told.quarantine, ...told.unproven].reduce((most, batch) => Math.max(most, batch), given);
  return Math.max(sink.lastBatch, named);
}
