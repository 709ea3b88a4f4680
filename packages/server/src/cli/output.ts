import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { plain, plainJson, plainJsonText, plainLines } from '@portcullis/contract';
import { failureJson, failureOf } from '@portcullis/device/client';
import { type Cell, type Column, type Screen, Table } from './table.ts';

/** A list: its columns for people, and what a program gets of each row (the row itself). */
export interface Listing<Row> {
  columns: readonly Column<Row>[];
  json?: (row: Row) => unknown;
  /** The same as text, where the row has it so: it is given as it is. */
  jsonText?: (row: Row) => string;
  /** What is said, beside the result, when there is no row. */
  none?: string;
}

interface OutputOptions {
  json: boolean;
  screen?: Screen;
}

const chunkLength = 65_536;
const plainScreen: Screen = { width: 80, colours: false, wide: false, whole: true };

/** What commands print: words and tables for people, or JSON for programs: one object, and one a line for lists. */
export class Output {
  status = 0;
  readonly json: boolean;
  readonly screen: Screen;
  readonly #out: Writable;
  readonly #side: Writable;

  constructor(out: Writable, side: Writable, { json, screen = plainScreen }: OutputOptions) {
    this.#out = out;
    this.#side = side;
    this.json = json;
    this.screen = screen;
  }

  /** One object, or the words for it. */
  result(value: unknown, words: string): void {
    this.#out.write(this.json ? `${plainJson(value)}\n` : `${plainLines(words)}\n`);
  }

  /** One object, or lines that are plain already, and may be coloured. */
  page(value: unknown, lines: readonly string[]): void {
    this.#out.write(this.json ? ended(plainJson(value)) : lines.map(ended).join(''));
  }

  /** One thing by its properties, each on a line of its own and whole. */
  record(value: unknown, properties: readonly (readonly [string, Cell])[]): void {
    const width = Math.max(...properties.map(([name]) => name.length));
    const shown = properties.filter(([, cell]) => cell !== undefined);
    this.result(value, shown.map(([name, cell]) => `${name.padEnd(width)}  ${plain(String(cell ?? '-'))}`).join('\n'));
  }

  /** Rows under a header, as wide as the screen. Resolves to how many there were; what reads slowly is waited for. */
  list<Row>(rows: AsyncIterable<Row> | Iterable<Row>, listing: Listing<Row>): Promise<number> {
    return this.batches(batchesOf(rows), listing);
  }

  /** The same of rows that come many at a time. */
  async batches<Row>(batches: AsyncIterable<readonly Row[]>, listing: Listing<Row>): Promise<number> {
    const table = new Table(listing.columns, this.screen);
    const texts = (row: Row) => this.#linesOf(table, row, listing);
    const count = await this.texts(batches, texts, () => table.end().map(ended).join(''));
    if (count === 0 && listing.none !== undefined && !this.json) this.notice(listing.none);
    return count;
  }

  /** What is made of rows, as it is. Resolves to how many there were; what reads slowly is waited for. */
  async texts<Row>(
    batches: AsyncIterable<readonly Row[]>,
    textOf: (row: Row) => string,
    end: () => string = () => '',
  ): Promise<number> {
    let count = 0;
    let waiting = '';
    for await (const batch of batches) {
      count += batch.length;
      for (const row of batch) {
        waiting += textOf(row);
        if (waiting.length < chunkLength) continue;
        await this.text(waiting);
        waiting = '';
      }
    }
    const rest = waiting + end();
    if (rest !== '') await this.text(rest);
    return count;
  }

  /** A piece of the result, as it is; what reads slowly is waited for. */
  async text(text: string | Buffer): Promise<void> {
    if (!this.#out.write(text)) await once(this.#out, 'drain');
  }

  /** For rows that come one by one: the text of each, to be written at once. */
  live<Row>(listing: Listing<Row>): (row: Row) => string {
    const table = new Table(listing.columns, this.screen, true);
    return (row) => this.#linesOf(table, row, listing);
  }

  #linesOf<Row>(table: Table<Row>, row: Row, { json, jsonText }: Listing<Row>): string {
    if (this.json && jsonText) return ended(plainJsonText(jsonText(row)));
    if (this.json) return ended(plainJson(json ? json(row) : row));
    return table.add(row).map(ended).join('');
  }

  /** How far something is, on a terminal alone, in the place of what was said of it before; empty: it is over. */
  progress(words: string): void {
    if (this.screen.whole || this.json) return;
    this.#side.write(`\r\u001b[K${plain(words)}`);
  }

  /** What is good to know meanwhile; never part of the result. */
  notice(words: string): void {
    this.#side.write(`${plainLines(words)}\n`);
  }

  /** Says what failed; the exit status for it. */
  failure(error: unknown): number {
    const failure = failureOf(error);
    if (this.json) this.#out.write(`${plainJson(failureJson(failure))}\n`);
    this.#side.write(`portcullis: ${plainLines(failure.message)} (${failure.code})\n`);
    return failure.code === 'usage' ? 2 : 1;
  }
}

async function* batchesOf<Row>(rows: AsyncIterable<Row> | Iterable<Row>): AsyncGenerator<[Row]> {
  for await (const row of rows) yield [row];
}

const ended = (line: string) => `${line}\n`;
