import type { FeedMessage, SnapshotSubject, Standing, SubjectId } from '@portcullis/contract';
import { type AttributeFact, PortcullisError } from '@portcullis/contract';
import type { Attributes, LaidOver } from '../attributes/attributes.ts';
import type { Store } from '../storage/storage.ts';
import { timestamp } from '../telemetry/telemetry.ts';
import { packedData } from './packing.ts';
import { type FactRow, type OriginRow, type Page, readPage } from './snapshot-page.ts';

/** A line of a snapshot has so many bytes at the most, but for one subject that has more by itself. */
const lineBytesMax = 256 * 1024;

interface Asked {
  fleet: string;
  names: ReadonlySet<string>;
  now: number;
  /** In pieces that are packed; `id`: of one that may be gone on with. Not given: in lines of text. */
  packed?: { id: string | undefined };
}

/**
 * The fleet as it is at one revision, read in one transaction: the lines of the feed, a page at a time. `write` is told of how many bytes
 * of text they are made, and resolves when the next may follow. Resolves to that revision, which `begun` is told first.
 */
export async function writeSnapshot(
  { store, attributes }: { store: Store; attributes: Pick<Attributes, 'merged' | 'isBetween' | 'laidOver'> },
  asked: Asked,
  write: (lines: string, bytes: number) => Promise<void>,
  begun: (revision: number) => void = () => undefined,
): Promise<number> {
  const say = (message: FeedMessage) => {
    const line = `${JSON.stringify(message)}\n`;
    return write(line, line.length);
  };
  const work = async (db: Parameters<typeof readPage>[0], isFull: boolean) => {
    if (!isFull && (await attributes.isBetween(db))) return undefined;
    const over = isFull ? await attributes.laidOver(db) : nothing;
    const { revision, revisionHash: hash } = await db.selectFrom('head').selectAll().executeTakeFirstOrThrow();
    begun(revision);
    const id = asked.packed?.id;
    await say({ type: 'snapshot', fleet: asked.fleet as never, revision, hash, ...(id !== undefined && { id }) });
    let number = 0;
    for (let after = ''; ; ) {
      const page = await readPage(db, after, { ...asked, over });
      const last = page.subjects.at(-1);
      if (!last) break;
      if (asked.packed) await writePacked(page, ++number, write);
      else for (const line of subjectLines(subjectsOf(page))) await write(line, line.length);
      after = last.id;
      // Whoever decides something meanwhile waits for no more than a page.
      await new Promise((resolve) => setImmediate(resolve));
    }
    await say({ type: 'complete', revision, hash });
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

function writePacked(page: Page, number: number, write: (lines: string, bytes: number) => Promise<void>) {
  const { data, bytes } = packedData(page);
  return write(`{"type":"packed","number":${number},"data":"${data}"}\n`, bytes);
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

function subjectsOf({ subjects, attributes, certificates }: Page): SnapshotSubject[] {
  const certificatesOf = Map.groupBy(certificates, (row) => row.subject);
  const attributesOf = Map.groupBy(attributes, (row) => row.subject);
  return subjects.map(({ id, kind, revision }) => ({
    subject: id as SubjectId,
    kind,
    revision,
    attributes: Object.fromEntries((attributesOf.get(id) ?? []).map(factOf)),
    certificates: (certificatesOf.get(id) ?? []).map((row) => ({
      fingerprint: row.fingerprint as never,
      standing: row.standing as Standing,
      notBefore: timestamp(row.notBefore),
      notAfter: timestamp(row.notAfter),
      ...originOf(row),
    })),
  }));
}

function factOf(row: FactRow): [string, AttributeFact] {
  return [row.name, { value: row.value, public: row.public, ...originOf(row) }];
}

function originOf({ revision, changedBy, changedAt }: OriginRow) {
  return { revision, changedBy, changedAt: timestamp(changedAt) };
}
