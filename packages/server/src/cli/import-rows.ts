/** Files of subjects → rows of an import, as they are read: nothing is held but the piece that was read last. */
import { createReadStream, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type AttributeType, ImportRow, PortcullisError, parseAssignment, readExactJson } from '@portcullis/contract';
import { CsvReader, type CsvRecord } from './csv.ts';
import { textIn, textOf } from './utf8-text.ts';

/** A row with the line that it begins on, from 1; of a directory, its file. */
export type FoundRow = { at: number | string } & ({ row: ImportRow } | { wrong: string });

export type Format = 'csv' | 'ndjson';

const lineLengthMax = 1024 * 1024;

/** @throws {PortcullisError} `file_unusable`, `request_malformed` for a file without a row, or that is no CSV or no text, `usage` */
export async function* rowsOf(
  path: string,
  { format, types }: { format: Format | undefined; types: ReadonlyMap<string, AttributeType> },
): AsyncGenerator<FoundRow> {
  const isDirectory = path !== '-' && statOf(path).isDirectory();
  const form = format ?? (/\.csv$/i.test(path) ? 'csv' : 'ndjson');
  const pieces = () => textIn(path === '-' ? process.stdin : createReadStream(path));
  const rows = isDirectory ? rowsOfDirectory(path) : rowsIn(pieces(), { format: form, types });
  let count = 0;
  for await (const row of rows) {
    count++;
    yield row;
  }
  if (count > 0) return;
  const what = path === '-' ? 'what came' : `"${path}"`;
  throw new PortcullisError('request_malformed', `${what} has no row: ${expected[isDirectory ? 'directory' : form]}`);
}

const expected = {
  csv: 'the first line names the columns, such as "subject,site,status", and each line after it a subject, such as "pump-1,hamburg,active"',
  ndjson: 'each line is a subject, such as {"subject":"pump-1","attributes":{"site":"hamburg"}}',
  directory: 'each file is named SUBJECT.pem, such as pump-1.pem, and has the certificate of that subject',
};

/** The same of a text that comes in pieces. @throws {PortcullisError} `request_malformed` */
export function rowsIn(
  pieces: AsyncIterable<string>,
  { format, types }: { format: Format; types: ReadonlyMap<string, AttributeType> },
): AsyncGenerator<FoundRow> {
  return format === 'csv' ? rowsOfCsv(pieces, types) : rowsOfLines(pieces);
}

function statOf(path: string) {
  try {
    return statSync(path);
  } catch (cause) {
    throw new PortcullisError('file_unusable', `"${path}" can not be read: ${(cause as Error).message}`, { cause });
  }
}

/** `SUBJECT.pem`, each with that subject's certificate. */
function* rowsOfDirectory(path: string): Generator<FoundRow> {
  for (const name of readdirSync(path).toSorted()) {
    const [, subject] = /^(.+)\.(pem|crt|cer)$/.exec(name) ?? [];
    if (subject === undefined) continue;
    const read = certificateIn(join(path, name));
    yield 'wrong' in read ? { at: name, ...read } : checked(name, { subject, certificates: [read] });
  }
}

function certificateIn(file: string): { certificate: string } | { wrong: string } {
  try {
    const { size } = statSync(file);
    if (size > lineLengthMax) return { wrong: `the file has ${size} bytes; at most ${lineLengthMax} are allowed` };
    return { certificate: textOf(readFileSync(file)) };
  } catch (error) {
    return { wrong: `the file must be a certificate in PEM: ${(error as Error).message}` };
  }
}

async function* rowsOfLines(pieces: AsyncIterable<string>): AsyncGenerator<FoundRow> {
  let [rest, line] = ['', 0];
  for await (const piece of pieces) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > lineLengthMax) throw tooLong(line + 1);
    for (const text of lines) yield* rowOfLine(++line, text);
  }
  yield* rowOfLine(++line, rest);
}

const tooLong = (line: number) =>
  new PortcullisError('request_malformed', `line ${line} is longer than ${lineLengthMax} characters`);

function* rowOfLine(line: number, text: string): Generator<FoundRow> {
  if (text.trim() === '') return;
  const read = readExactJson(text);
  yield 'refused' in read ? { at: line, wrong: read.refused } : checked(line, read.value);
}

function checked(at: number | string, value: unknown): FoundRow {
  const parsed = ImportRow.safeParse(value);
  if (parsed.success) return { at, row: parsed.data };
  const [first] = parsed.error.issues;
  return { at, wrong: `${first?.path.join('.') || 'the row'}: ${first?.message}` };
}

async function* rowsOfCsv(
  pieces: AsyncIterable<string>,
  types: ReadonlyMap<string, AttributeType>,
): AsyncGenerator<FoundRow> {
  const reader = new CsvReader();
  let columns: Column[] | undefined;
  const rowsIn = function* (records: Iterable<CsvRecord>): Generator<FoundRow> {
    for (const { line, fields } of records) {
      if (columns) yield rowOfRecord(line, fields, columns);
      else columns = columnsOf(fields, types);
    }
  };
  for await (const piece of pieces) yield* rowsIn(reader.read(piece));
  yield* rowsIn(reader.end());
}

type Column = { own: (typeof ownColumns)[number] } | { attribute: string; type: AttributeType | undefined };

const ownColumns = ['subject', 'kind', 'public', 'certificate', 'fingerprint', 'standing'] as const;
const columnTypes: readonly string[] = ['string', 'number', 'boolean'] satisfies AttributeType[];

/** Another name than these is that of an attribute; `NAME:number` says of which type one is that the fleet does not know. */
function columnsOf(header: readonly string[], types: ReadonlyMap<string, AttributeType>): Column[] {
  const names = header.map((name) => name.replace(/^\uFEFF/, '').trim());
  if (!names.includes('subject') || new Set(names).size !== names.length) {
    throw new PortcullisError(
      'request_malformed',
      `the first line must name the columns, each once and "subject" among them; others of these are [${ownColumns.join(', ')}], and any else is an attribute`,
    );
  }
  return names.map((name) => {
    const own = ownColumns.find((one) => one === name);
    if (own) return { own };
    const [attribute = '', type] = name.split(':');
    if (type === undefined) return { attribute, type: types.get(attribute) ?? 'string' };
    if (columnTypes.includes(type)) return { attribute, type: type as AttributeType };
    throw new PortcullisError(
      'request_malformed',
      `"${name}" names no type; it must be one of [${columnTypes.join(', ')}]`,
    );
  });
}

/** An empty field says nothing. */
function rowOfRecord(line: number, fields: readonly string[], columns: readonly Column[]): FoundRow {
  if (fields.length !== columns.length) {
    return { at: line, wrong: `it has ${fields.length} fields, and the first line ${columns.length}` };
  }
  const attributes: Record<string, unknown> = {};
  const own: Record<string, string> = {};
  for (const [index, column] of columns.entries()) {
    const text = fields[index] as string;
    if (text === '') continue;
    if ('own' in column) own[column.own] = text;
    else {
      const value = readValue(column.attribute, text, column.type);
      if (value === undefined) return { at: line, wrong: `"${text}" is no ${column.type}, as ${column.attribute} is` };
      attributes[column.attribute] = value;
    }
  }
  const { public: isPublic, certificate, fingerprint, standing, ...rest } = own;
  return checked(line, {
    ...rest,
    ...(Object.keys(attributes).length > 0 && { attributes }),
    ...(isPublic !== undefined && { public: isPublic.split(/\s+/).filter((name) => name !== '') }),
    ...certificatesOf({ certificate, fingerprint, standing }),
  });
}

function readValue(name: string, text: string, type: AttributeType | undefined): unknown {
  const { value } = parseAssignment(`${name}=${text}`, () => type);
  return typeof value === type ? value : undefined;
}

const pemBlock = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** A field may hold several in PEM, or several fingerprints, and as many words for their standings, or one for all. */
function certificatesOf({ certificate, fingerprint, standing }: Record<string, string | undefined>) {
  const named = [
    ...(certificate?.match(pemBlock) ?? (certificate ? [certificate] : [])).map((one) => ({ certificate: one })),
    ...(fingerprint?.split(/\s+/) ?? []).map((one) => ({ fingerprint: one })),
  ];
  if (named.length === 0) return {};
  const words = standing?.trim().split(/\s+/) ?? [];
  const wordOf = (index: number) => (words.length > 1 ? words[index] : words[0]);
  return {
    certificates: named.map((one, index) => ({
      ...one,
      ...(wordOf(index) !== undefined && { standing: wordOf(index) }),
    })),
  };
}
