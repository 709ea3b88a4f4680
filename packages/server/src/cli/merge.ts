/** What gives rows in its own order, a page at a time, and nothing at its end. */
export interface Pages<Row> {
  page(): Promise<Row[] | undefined>;
}

interface Head<Row, Source> {
  source: Source;
  rows: Row[];
  at: number;
}

/** So many are given at once, at the most: what is ready does not wait for what comes. */
const batchRowsMax = 1_000;

/**
 * The rows of all, in order, in batches: of equal ones that of the earlier source first, and each source's own order is kept. One page of each is
 * held. A source that fails is told and left out; the others go on.
 */
export async function* merged<Row, Source extends Pages<Row> = Pages<Row>>(
  sources: readonly Source[],
  compare: (one: Row, other: Row) => number,
  onLost: (source: Source, error: unknown) => void,
): AsyncGenerator<Row[]> {
  const next = async (source: Source): Promise<Head<Row, Source> | undefined> => {
    try {
      const rows = await source.page();
      return rows && { source, rows, at: 0 };
    } catch (error) {
      onLost(source, error);
      return undefined;
    }
  };
  const heads = (await Promise.all(sources.map(next))).filter((head) => head !== undefined);
  while (heads.length > 0) {
    const { batch, used } = heads.length === 1 ? taken(heads[0] as Head<Row, Source>) : takenInOrder(heads, compare);
    yield batch;
    if (used === undefined) continue;
    const following = await next(used.source);
    heads.splice(heads.indexOf(used), 1, ...(following ? [following] : []));
  }
}

/** A batch, and the head that is at its end with it. */
interface Taken<Row, Source> {
  batch: Row[];
  used?: Head<Row, Source> | undefined;
}

/** Of one that is alone, the next rows. */
function taken<Row, Source>(head: Head<Row, Source>): Taken<Row, Source> {
  const batch = head.rows.slice(head.at, head.at + batchRowsMax);
  head.at += batch.length;
  return { batch, used: head.at === head.rows.length ? head : undefined };
}

/** The first rows of all, until a batch is full, or a head is at its end. */
function takenInOrder<Row, Source>(
  heads: Head<Row, Source>[],
  compare: (one: Row, other: Row) => number,
): Taken<Row, Source> {
  const batch: Row[] = [];
  while (batch.length < batchRowsMax) {
    const head = heads[firstOf(heads, compare)] as Head<Row, Source>;
    batch.push(head.rows[head.at++] as Row);
    if (head.at === head.rows.length) return { batch, used: head };
  }
  return { batch };
}

function firstOf<Row>(heads: readonly Head<Row, unknown>[], compare: (one: Row, other: Row) => number): number {
  let first = 0;
  for (let index = 1; index < heads.length; index++) {
    const [one, other] = [heads[first], heads[index]] as [Head<Row, unknown>, Head<Row, unknown>];
    if (compare(other.rows[other.at] as Row, one.rows[one.at] as Row) < 0) first = index;
  }
  return first;
}
