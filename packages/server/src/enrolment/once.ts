import type { ChangeTransaction, Entry, Journal } from '../journal/journal.ts';

/** Thrown within a transaction that finds its work done by another one: it writes nothing. */
class Done extends Error {
  readonly result: unknown;

  constructor(result: unknown) {
    super('another one did it');
    this.result = result;
  }
}

/**
 * One transaction, one revision, and none where `done` finds in it that the same was done before: the same request that comes twice at
 * once has one effect and one answer.
 */
export async function changeOnce<T extends object>(
  journal: Journal,
  entry: Entry,
  {
    done,
    work,
  }: Record<'done', (change: ChangeTransaction) => Promise<T | undefined>> &
    Record<'work', (change: ChangeTransaction) => Promise<T>>,
): Promise<T> {
  try {
    const { result } = await journal.change(entry, async (change) => {
      const before = await done(change);
      if (before) throw new Done(before);
      return work(change);
    });
    return result;
  } catch (error) {
    if (error instanceof Done) return error.result as T;
    throw error;
  }
}
