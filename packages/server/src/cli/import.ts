import { createWriteStream, type WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import {
  AttributeTypeView,
  counted,
  ImportAnswer,
  type ImportRow,
  importRowsMax,
  importValuesMax,
  PortcullisError,
} from '@portcullis/contract';
import type { Command } from 'commander';
import { type FleetClient, type FleetOptions, withFleet } from './fleet-client.ts';
import { type Format, type FoundRow, rowsOf } from './import-rows.ts';
import type { Output } from './output.ts';

interface ImportOptions extends FleetOptions {
  format?: string;
  goodOnes?: boolean;
  dryRun?: boolean;
  after?: string;
  refused?: string;
  reason?: string;
}

export function importCommand(program: Command, output: Output): void {
  program
    .command('import')
    .argument('<file|dir|->', 'CSV with a line of columns, NDJSON, or a directory of SUBJECT.pem')
    .option('--format <csv|ndjson>', 'what the file is; left out: by its name, else ndjson')
    .option('--good-ones', 'take the rows that are good; without it nothing is taken unless all are')
    .option('--dry-run', 'look at every row and change nothing')
    .option('--after <row>', 'leave out this many rows, which are in already')
    .option('--refused <file>', 'where the rows that are not taken are named (FILE.refused.ndjson)')
    .option('--reason <text>', 'why, for the journal')
    .description('take subjects with their attributes and certificates; the same again changes nothing')
    .action((path: string, options: ImportOptions) => bringIn(path, options, output));
}

async function bringIn(path: string, options: ImportOptions, output: Output): Promise<void> {
  const format = formatOf(options.format);
  const skipped = rowCountOf(options.after ?? '0');
  if (path === '-' && !options.goodOnes && !options.dryRun) {
    throw new PortcullisError('usage', 'what comes by a pipe is read once: give a file, --good-ones or --dry-run');
  }
  await withFleet(options, async (client) => {
    const run = new ImportRun({ path, format, skipped, reason: options.reason, client, output });
    const refusals = new Refusals(options.refused ?? `${path === '-' ? 'import' : path}.refused.ndjson`);
    try {
      const whole = options.goodOnes ? undefined : await run.pass({ dryRun: true, refusals });
      const stops = whole !== undefined && (refusals.count > 0 || options.dryRun === true);
      const done = stops ? whole : await run.pass({ dryRun: options.dryRun === true, refusals });
      const result = { ...done, dryRun: options.dryRun === true, refused: refusals.count, refusedFile: refusals.file };
      if (stops && !options.dryRun) Object.assign(result, { created: 0, changed: 0, same: 0 });
      await refusals.close();
      output.result(result, wordsOf(result, { taken: !stops }));
      if (refusals.count > 0) output.status = 1;
    } finally {
      output.progress('');
    }
  });
}

function formatOf(word: string | undefined): Format | undefined {
  if (word === undefined || word === 'csv' || word === 'ndjson') return word;
  throw new PortcullisError('usage', `--format ${word} is none; it must be csv or ndjson`);
}

function rowCountOf(word: string): number {
  if (/^\d{1,12}$/.test(word)) return Number(word);
  throw new PortcullisError('usage', `--after ${word} is not a number of rows`);
}

/** Each in a line of a file of its own, which is made with the first. */
class Refusals {
  count = 0;
  readonly #place: string;
  #file: WriteStream | undefined;
  #written: Promise<void> = Promise.resolve();

  constructor(place: string) {
    this.#place = place;
  }

  get file(): string | null {
    return this.count > 0 ? this.#place : null;
  }

  add(refused: { row: number; at: number | string; subject: string | null; code: string; detail: string }): void {
    this.#file ??= this.#made();
    this.#file.write(`${JSON.stringify(refused)}\n`);
    this.count++;
  }

  /** @throws {PortcullisError} `file_unusable` where it could not be written */
  async close(): Promise<void> {
    this.#file?.end();
    await this.#written;
  }

  #made(): WriteStream {
    const file = createWriteStream(this.#place, { mode: 0o600 });
    this.#written = finished(file).catch((cause: Error) => {
      throw new PortcullisError('file_unusable', `"${this.#place}" can not be written: ${cause.message}`, { cause });
    });
    this.#written.catch(() => undefined);
    return file;
  }
}

interface Run {
  path: string;
  format: Format | undefined;
  skipped: number;
  reason: string | undefined;
  client: FleetClient;
  output: Output;
}

interface Totals {
  rows: number;
  created: number;
  changed: number;
  same: number;
  revision: number;
}

type Numbered = { row: number; at: number | string; value: ImportRow };

/** Goes through all rows once, a request's worth at a time: no more is held. */
class ImportRun {
  readonly #run: Run;
  /** Of names that the fleet does not know: what their first value was. */
  #fresh = new Map<string, string>();
  /** Where each subject was named. */
  #named = new Map<string, number | string>();

  constructor(run: Run) {
    this.#run = run;
  }

  async pass({ dryRun, refusals }: { dryRun: boolean; refusals: Refusals }): Promise<Totals> {
    const { path, format, skipped, client, output } = this.#run;
    const types = await typesOf(client);
    this.#fresh = new Map();
    this.#named = new Map();
    const totals: Totals = { rows: 0, created: 0, changed: 0, same: 0, revision: 0 };
    let batch = new Batch();
    const flush = async () => {
      if (batch.rows.length > 0) await this.#send(batch.rows, { dryRun, refusals, totals });
      batch = new Batch();
      output.progress(`${dryRun ? 'looked at' : 'took'} ${totals.rows} rows, ${refusals.count} refused`);
    };
    let row = 0;
    for await (const found of rowsOf(path, { format, types })) {
      row++;
      const twice = this.#twice(found);
      if (row <= skipped) continue;
      const wrong = 'wrong' in found ? found.wrong : (twice ?? this.#otherType(found.row, types));
      if (wrong !== undefined) {
        totals.rows++;
        refusals.add({ row, at: found.at, subject: subjectOf(found), code: 'request_malformed', detail: wrong });
      } else if ('row' in found) {
        if (!batch.takes(found.row)) await flush();
        batch.add({ row, at: found.at, value: found.row });
      }
    }
    await flush();
    return totals;
  }

  /** The one would undo what the other says, and which of them is meant nobody knows. */
  #twice(found: FoundRow): string | undefined {
    if ('wrong' in found) return undefined;
    // A copy: what was cut out of a longer text would hold all of that.
    const subject = Buffer.from(found.row.subject).toString();
    const before = this.#named.get(subject);
    if (before === undefined) this.#named.set(subject, found.at);
    return before === undefined ? undefined : `"${subject}" is in ${placeOf(before)} already; a file names each once`;
  }

  /** A name that is new gets the type of its first value: what a look that changes nothing would not find. */
  #otherType({ attributes = {} }: ImportRow, types: ReadonlyMap<string, string>): string | undefined {
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || types.has(name)) continue;
      const type = this.#fresh.get(name) ?? typeof value;
      this.#fresh.set(name, type);
      if (type !== typeof value) return `attributes.${name}: is a ${type} in a row before, and a ${typeof value} here`;
    }
    return undefined;
  }

  async #send(
    rows: readonly Numbered[],
    { dryRun, refusals, totals }: { dryRun: boolean; refusals: Refusals; totals: Totals },
  ): Promise<void> {
    const { client, reason } = this.#run;
    const body = { rows: rows.map(({ value }) => value), dryRun, ...(reason !== undefined && { reason }) };
    const answer = await this.#asked(client.post('/v1/imports', body, ImportAnswer, answerMs), totals, dryRun);
    for (const { row, code, detail } of answer.refused) {
      const { value, ...where } = rows[row] as Numbered;
      refusals.add({ ...where, subject: value.subject, code, detail });
    }
    totals.rows += rows.length;
    totals.revision = answer.revision;
    for (const name of ['created', 'changed', 'same'] as const) totals[name] += answer[name];
  }

  /** What broke off can be begun again: what is in stays so. */
  async #asked(answer: Promise<ImportAnswer>, { rows }: Totals, dryRun: boolean): Promise<ImportAnswer> {
    try {
      return await answer;
    } catch (error) {
      if (!(error instanceof PortcullisError) || dryRun) throw error;
      const done = this.#run.skipped + rows;
      const again = `${counted(done, 'row')} of the file are done: the same again goes on, or --after ${done}`;
      throw new PortcullisError(error.code, `${error.message}; ${again}`, { cause: error });
    }
  }
}

const answerMs = 60_000;

const placeOf = (at: number | string) => (typeof at === 'number' ? `line ${at}` : at);
const subjectOf = (found: FoundRow) => ('row' in found ? found.row.subject : null);

/** One request: no more than it may hold. */
class Batch {
  readonly rows: Numbered[] = [];
  #values = 0;
  #length = 0;

  takes(row: ImportRow): boolean {
    const { values, length } = sizeOf(row);
    return (
      this.rows.length === 0 ||
      (this.rows.length < importRowsMax &&
        this.#values + values <= importValuesMax &&
        this.#length + length <= lengthMax)
    );
  }

  add(numbered: Numbered): void {
    const { values, length } = sizeOf(numbered.value);
    this.rows.push(numbered);
    this.#values += values;
    this.#length += length;
  }
}

/** Of a body, in characters: well below what the authority reads. */
const lengthMax = 2 * 1024 * 1024;

function sizeOf({ attributes = {}, certificates = [] }: ImportRow): { values: number; length: number } {
  const values = Object.values(attributes);
  const texts = [
    ...values.filter((value) => typeof value === 'string'),
    ...certificates.map((one) => one.certificate ?? ''),
  ];
  return { values: values.length, length: texts.reduce((sum, text) => sum + text.length, 100 * (values.length + 1)) };
}

async function typesOf(client: FleetClient) {
  const types = new Map<string, AttributeTypeView['type']>();
  for await (const { name, type } of client.pages('/v1/attribute-types', AttributeTypeView)) types.set(name, type);
  return types;
}

interface Told extends Totals {
  dryRun: boolean;
  refused: number;
  refusedFile: string | null;
}

function wordsOf(
  { rows, created, changed, same, dryRun, refused, refusedFile }: Told,
  { taken }: { taken: boolean },
): string {
  const named =
    refused > 0 ? `\n${counted(refused, 'row was', 'rows were')} refused: ${refusedFile} says which and why` : '';
  const what = `${created} new, ${changed} changed, ${same} as before`;
  if (dryRun) return `${counted(rows, 'row')}: would be ${what}; nothing was changed${named}`;
  if (!taken)
    return `${counted(rows, 'row')}: nothing was changed, since not all are good${named}\n--good-ones takes the others`;
  return `${counted(rows, 'row')}: ${what}${named}`;
}
