import { plainJsonText } from '@portcullis/contract';
import type { Listing, Output } from './output.ts';
import { jsonLinesOf, type ReadingRow } from './reading-row.ts';

export const readingListing: Listing<ReadingRow> = {
  columns: [
    { title: 'RECEIVED', priority: 1, usual: 24, value: ({ receivedAt }) => receivedAt },
    { title: 'GATE', priority: 2, usual: 8, value: ({ view }) => String(view.gate) },
    { title: 'SUBJECT', priority: 1, usual: 16, value: ({ view }) => String(view.subject) },
    { title: 'STREAM', priority: 3, usual: 12, value: ({ view }) => String(view.stream) },
    { title: 'PROOF', priority: 4, usual: 8, value: ({ view }) => String(view.proof) },
    { title: 'ID', priority: 5, usual: 30, value: ({ view }) => String(view.id) },
    { title: 'DATA', priority: 1, usual: 80, least: 20, value: ({ dataText }) => dataText },
  ],
  jsonText: ({ text }) => text,
  none: 'nothing is stored that fits',
};

const csvColumns = [
  'receivedAt',
  'gate',
  'subject',
  'stream',
  'id',
  'deviceTime',
  'clock',
  'proof',
  'certificate',
  'instance',
  'policy',
  'revision',
  'sequence',
  'run',
  'sealed',
  'carriedBy',
] as const;
const csvHeader = `${[...csvColumns, 'data'].join(',')}\n`;

/** RFC 4180, with lines that end as this system's do: null is empty, the data are JSON in which nothing is unseen. */
function csvLineOf(row: ReadingRow): string {
  return `${[...csvColumns.map((name) => csvCellOf(String(row.view[name] ?? ''))), csvCellOf(plainJsonText(row.dataText))].join(',')}\n`;
}

const csvCellOf = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** How readings are shown: a table for people, JSON a line, or CSV. */
export class ReadingSheet {
  readonly #output: Output;
  readonly #csv: boolean;

  constructor(output: Output, csv: boolean) {
    this.#output = output;
    this.#csv = csv;
  }

  /** Resolves to how many there were. */
  async all(rows: AsyncIterable<ReadingRow[]>): Promise<number> {
    if (this.#output.json) return this.#json(rows);
    if (!this.#csv) return this.#output.batches(rows, readingListing);
    await this.#output.text(csvHeader);
    return this.#output.texts(rows, csvLineOf);
  }

  async #json(batches: AsyncIterable<ReadingRow[]>): Promise<number> {
    let count = 0;
    for await (const batch of batches) {
      if (batch.length > 0) await this.#output.text(jsonLinesOf(batch));
      count += batch.length;
    }
    return count;
  }

  /** For rows that come one by one. */
  live(): (row: ReadingRow) => Promise<void> {
    const textOf = this.#csv ? this.#liveCsv() : this.#output.live(readingListing);
    return (row) => this.#output.text(textOf(row));
  }

  #liveCsv(): (row: ReadingRow) => string {
    let header = csvHeader;
    return (row) => {
      const text = header + csvLineOf(row);
      header = '';
      return text;
    };
  }
}
