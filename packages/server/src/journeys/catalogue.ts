import { Journey, type JourneyView, PortcullisError } from '@portcullis/contract';
import type { Journal } from '../journal/journal.ts';
import type { Reader, Store, Writer } from '../storage/storage.ts';
import { timestamp } from '../telemetry/telemetry.ts';
import type { JourneySource } from './promises.ts';

interface Parts {
  store: Store;
  journal: Pick<Journal, 'note'>;
  source: JourneySource;
  now(): number;
}

interface Newest {
  name: string;
  version: number;
  body: string;
  since: number;
}

/** The journeys that there are now, each by its newest version: a file that changes is a new one, and old ones stay in the table. */
export class Catalogue {
  readonly #parts: Parts;
  #names: ReadonlySet<string> = new Set();
  #mark: string | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Looks at the files where one of them changed. @throws {PortcullisError} `config_invalid` */
  async refresh(): Promise<void> {
    const { source, journal, now } = this.#parts;
    const mark = source.mark();
    if (mark === this.#mark) return;
    const journeys = source.load();
    await journal.note(
      {
        actor: 'authority',
        action: 'journeys.change',
        body: (made: Newest[]) =>
          made.length > 0 ? { journeys: made.map(({ name, version }) => ({ journey: name, version })) } : undefined,
      },
      async (db) => {
        const made: Newest[] = [];
        for (const journey of journeys) made.push(...(await storeNewest(db, journey, now())));
        return made;
      },
    );
    this.#names = new Set(journeys.map(({ journey }) => journey));
    this.#mark = mark;
  }

  /** Its newest version. @throws {PortcullisError} `journey_unknown`, also for one whose file is gone */
  async require(db: Pick<Reader, 'selectFrom'>, name: string): Promise<{ journey: Journey; version: number }> {
    const row = this.#names.has(name) ? await newestOf(db, name) : undefined;
    if (row) return { journey: Journey.parse(JSON.parse(row.body)), version: row.version };
    const there = this.#names.size === 0 ? 'there is none' : `there are [${[...this.#names].join(', ')}]`;
    throw new PortcullisError('journey_unknown', `there is no journey "${name}" in the folder "journeys"; ${there}`);
  }

  async list(): Promise<JourneyView[]> {
    await this.refresh();
    const rows = await this.#parts.store.read((db) => Promise.all([...this.#names].map((name) => newestOf(db, name))));
    return rows.flatMap((row) => (row ? [viewOf(row)] : []));
  }
}

function viewOf({ body, version, since }: Newest): JourneyView {
  return { ...Journey.parse(JSON.parse(body)), version, since: timestamp(since) };
}

async function newestOf(db: Pick<Reader, 'selectFrom'>, name: string): Promise<Newest | undefined> {
  return db
    .selectFrom('journeys')
    .selectAll()
    .where('name', '=', name)
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** Nothing where its newest version says the same. */
async function storeNewest(db: Writer, journey: Journey, since: number): Promise<Newest[]> {
  const { journey: name } = journey;
  const body = JSON.stringify(journey);
  const before = await newestOf(db, name);
  if (before?.body === body) return [];
  const row = { name, version: (before?.version ?? 0) + 1, body, since };
  await db.insertInto('journeys').values(row).execute();
  return [row];
}
