import { isAscii } from 'node:buffer';
import { PortcullisError, plainJsonText, type ReadingView } from '@portcullis/contract';

type Members = Partial<Record<keyof ReadingView | 'gate', unknown>>;

/** A quote within a text stands behind a backslash: nowhere else before the data do these stand. */
const dataMember = Buffer.from(',"data":{');
const receivedMember = Buffer.from('"receivedAt":"');
const instantLength = '2026-01-01T00:00:00.000Z'.length;
const lineEnd = 0x0a;
const openingBrace = 0x7b;
const closingBrace = 0x7d;
const remove = 0x7f;

/** One reading: its line as the gate wrote it, still where it was received. */
export class ReadingRow {
  readonly page: Buffer;
  readonly start: number;
  readonly end: number;
  readonly #dataAt: number;
  #receivedAt: string | undefined;
  #view: Members | undefined;

  private constructor(page: Buffer, start: number, end: number, dataAt: number) {
    [this.page, this.start, this.end, this.#dataAt] = [page, start, end, dataAt];
  }

  /** Lines, each with its end, or nothing where one is no reading. */
  static allIn(page: Buffer): ReadingRow[] | undefined {
    const rows: ReadingRow[] = [];
    for (let start = 0; start < page.length; ) {
      const end = page.indexOf(lineEnd, start);
      const dataAt = page.indexOf(dataMember, start);
      const isReading = page[start] === openingBrace && page[end - 1] === closingBrace && dataAt !== -1 && dataAt < end;
      if (!isReading) return undefined;
      rows.push(new ReadingRow(page, start, end, dataAt + ',"data":'.length));
      start = end + 1;
    }
    return rows;
  }

  get text(): string {
    return this.page.toString('utf8', this.start, this.end);
  }

  /** The data as they were stored: the last member of the line. */
  get dataText(): string {
    return this.page.toString('utf8', this.#dataAt, this.end - 1);
  }

  /** As text in the order of time. @throws {PortcullisError} `answer_malformed` */
  get receivedAt(): string {
    if (this.#receivedAt !== undefined) return this.#receivedAt;
    const at = this.page.indexOf(receivedMember, this.start) + receivedMember.length;
    const text = at < this.#dataAt ? this.page.toString('latin1', at, at + instantLength) : '';
    if (!/^[0-9TZ:.-]{24}$/.test(text)) throw new PortcullisError('answer_malformed', `"${this.text}" is no reading`);
    this.#receivedAt = text;
    return text;
  }

  /** Its members, for who needs more than the line. */
  get view(): Members {
    this.#view ??= JSON.parse(this.text) as Members;
    return this.#view;
  }
}

/** The lines of rows, as they are, for programs and terminals alike: what can not be seen is escaped. */
export function jsonLinesOf(rows: readonly ReadingRow[]): Buffer | string {
  const pieces: Buffer[] = [];
  for (let index = 0; index < rows.length; ) {
    const { page, start } = rows[index] as ReadingRow;
    let { end } = rows[index] as ReadingRow;
    // What stands together goes together.
    for (index++; rows[index]?.page === page && rows[index]?.start === end + 1; index++)
      end = rows[index]?.end as number;
    pieces.push(page.subarray(start, end + 1));
  }
  const bytes = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
  if (isAscii(bytes) && !bytes.includes(remove)) return bytes;
  return bytes.toString('utf8').split('\n').map(plainJsonText).join('\n');
}
