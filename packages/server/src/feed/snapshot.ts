import type { FeedMessage, Kind, SnapshotSubject, Standing, SubjectId } from '@portcullis/contract';
import { type AttributeFact, PortcullisError } from '@portcullis/contract';
import type { Attributes, LaidOver } from '../attributes/attributes.ts';
import type { Reader, Schema, Store } from '../storage/storage.ts';
import { timestamp } from '../telemetry/telemetry.ts';

const pageSize = 500;
/** So long after its end, and after it was superseded, gates know a certificate: no connection of its time is open any more. */
const endedKeptMs = 86_400_000;

/** A line of a snapshot has so many bytes at the most, but for one subject that has more by itself. */
const lineBytesMax = 256 * 1024;

/**
 * The fleet as it is at one revision, read in one transaction: the lines of the feed, a page at a time. `write` resolves when the next may
 * follow. Resolves to that revision.
 */
export async function writeSnapshot(
  { store, attributes }: { store: Store; attributes: Pick<Attributes, 'merged' | 'isBetween' | 'laidOver'> },
  parts: { fleet: string; names: ReadonlySet<string>; now: number },
  write: (lines: string) => Promise<void>,
): Promise<number> {
  const lineOf = (message: FeedMessage) => `${JSON.stringify(message)}\n`;
  const work = async (db: Reader, isFull: boolean) => {
    if (!isFull && (await attributes.isBetween(db))) return undefined;
    const over = isFull ? await attributes.laidOver(db) : nothing;
    const { revision, revisionHash: hash } = await db.selectFrom('head').selectAll().executeTakeFirstOrThrow();
    await write(lineOf({ type: 'snapshot', fleet: parts.fleet as never, revision, hash }));
    for (let after = ''; ; ) {
      const subjects = await readPage(db, after, { ...parts, over });
      const last = subjects.at(-1);
      if (!last) break;
      for (const line of subjectLines(subjects)) await write(line);
      after = last.subject;
    }
    await write(lineOf({ type: 'complete', revision, hash }));
    return revision;
  };
  for (;;) {
    // A disk that is full keeps no gate away: what finds no room in the live rows is laid over them here.
    const isFull = await attributes.merged().then(() => false, requireFull);
    const revision = await store.snapshot((db) => work(db, isFull));
    if (revision !== undefined) return revision;
  }
}

const nothing: ReadonlyMap<string, LaidOver> = new Map();

function requireFull(error: unknown): true {
  if (error instanceof PortcullisError && error.code === 'disk_full') return true;
  throw error;
}

function* subjectLines(subjects: readonly SnapshotSubject[]): Iterable<string> {
  let texts: string[] = [];
  let bytes = 0;
  const line = () => `{"type":"subjects","subjects":[${texts.join(',')}]}\n`;
  for (const subject of subjects) {
    const text = JSON.stringify(subject);
    if (texts.length > 0 && bytes + text.length > lineBytesMax) {
      yield line();
      [texts, bytes] = [[], 0];
    }
    texts.push(text);
    bytes += text.length;
  }
  yield line();
}

async function readPage(
  db: Reader,
  after: string,
  { names, now, over }: { names: ReadonlySet<string>; now: number; over: ReadonlyMap<string, LaidOver> },
): Promise<SnapshotSubject[]> {
  const rows = await db
    .selectFrom('subjects')
    .select(['id', 'kind', 'revision'])
    .where('id', '>', after)
    // No gate decides anything about one (`follow.ts`).
    .where('kind', '!=', 'desk')
    .orderBy('id')
    .limit(pageSize)
    .execute();
  const ids = rows.map((row) => row.id);
  const certificates = await db
    .selectFrom('certificates')
    .select(['fingerprint', 'subject', 'standing', 'notBefore', 'notAfter', 'revision', 'changedBy', 'changedAt'])
    .where('subject', 'in', ids)
    .where('purpose', '=', 'client')
    .where('notAfter', '>', now - endedKeptMs)
    .where((row) => row.or([row('standing', '!=', 'superseded'), row('changedAt', '>', now - endedKeptMs)]))
    .execute();
  const attributes =
    names.size === 0
      ? []
      : await db
          .selectFrom('attributes')
          .selectAll()
          .where('subject', 'in', ids)
          .where('name', 'in', [...names])
          .execute();
  const certificatesOf = Map.groupBy(certificates, (row) => row.subject);
  const attributesOf = Map.groupBy(attributes, (row) => row.subject);
  return rows.map(({ id, kind, revision }) => ({
    subject: id as SubjectId,
    kind: kind as Kind,
    revision: Math.max(revision, over.get(id)?.revision ?? 0),
    attributes: withLaidOver(Object.fromEntries((attributesOf.get(id) ?? []).map(factOf)), over.get(id), names),
    certificates: (certificatesOf.get(id) ?? []).map((row) => ({
      fingerprint: row.fingerprint as never,
      standing: row.standing as Standing,
      notBefore: timestamp(row.notBefore),
      notAfter: timestamp(row.notAfter),
      ...originOf(row),
    })),
  }));
}

function withLaidOver(
  facts: Record<string, AttributeFact>,
  over: LaidOver | undefined,
  names: ReadonlySet<string>,
): Record<string, AttributeFact> {
  if (!over) return facts;
  const { revision, actor: changedBy, at } = over;
  for (const [name, { value, public: isPublic }] of Object.entries(over.attributes)) {
    if (value === null) delete facts[name];
    else if (names.has(name)) facts[name] = { value, public: isPublic, revision, changedBy, changedAt: timestamp(at) };
  }
  return facts;
}

function factOf(row: Schema['attributes']) {
  const fact = {
    value: JSON.parse(row.value) as string | number | boolean,
    public: row.visibility === 'public',
    ...originOf(row),
  };
  return [row.name, fact] as const;
}

function originOf({ revision, changedBy, changedAt }: { revision: number; changedBy: string; changedAt: number }) {
  return { revision, changedBy, changedAt: timestamp(changedAt) };
}
