import type { CountedRunView } from '@portcullis/contract';

/** Numbers of one run that no gate has; `first` and `last` null: so many more, of which no gate knows any more which. */
export interface MissingRow {
  subject: string;
  stream: string;
  run: string;
  first: number | null;
  last: number | null;
  count: number;
  since: string | null;
}

interface Range {
  first: number;
  last: number;
}

/** What several gates say of the same run: what one of them has is not missing, for its sender may have gone from gate to gate. */
export function missingOf(views: readonly CountedRunView[]): MissingRow[] {
  const [{ subject, stream, run } = { subject: '', stream: '', run: '' }] = views;
  const row = { subject, stream, run };
  const present = views.flatMap(presentIn).toSorted((one, other) => one.first - other.first);
  const rows: MissingRow[] = [];
  let highest = present[0]?.last ?? 0;
  for (const { first, last } of present) {
    if (first > highest + 1) rows.push({ ...row, ...rangeOf({ first: highest + 1, last: first - 1 }, views) });
    highest = Math.max(highest, last);
  }
  const forgotten = Math.max(0, ...views.map((view) => view.forgotten));
  if (forgotten > 0) rows.unshift({ ...row, first: null, last: null, count: forgotten, since: null });
  return rows;
}

/** What is there, between what is missing: forgotten ranges look as if they were, and are told by their number. */
function presentIn({ lowest, highest, missing }: CountedRunView): Range[] {
  const present: Range[] = [];
  let from = lowest;
  for (const { first, last } of missing) {
    if (first > from) present.push({ first: from, last: first - 1 });
    from = last + 1;
  }
  if (from <= highest) present.push({ first: from, last: highest });
  return present;
}

/** Since the gate that saw it first did; where none did by itself, since what stands behind it came. */
function rangeOf({ first, last }: Range, views: readonly CountedRunView[]) {
  const seen = views.flatMap(({ missing }) => missing.filter((one) => one.first <= last && one.last >= first));
  const behind = views.filter(({ lowest }) => lowest > last).map(({ receivedAt }) => receivedAt);
  const [since = null] = (seen.length > 0 ? seen.map((one) => one.since) : behind).toSorted();
  return { first, last, count: last - first + 1, since };
}
