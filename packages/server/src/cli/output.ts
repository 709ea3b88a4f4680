import type { Writable } from 'node:stream';
import { PortcullisError } from '@portcullis/contract';

/** What commands print: words for people, or JSON for programs. */
export class Output {
  status = 0;
  readonly json: boolean;
  readonly #out: Writable;
  readonly #side: Writable;

  constructor(out: Writable, side: Writable, json: boolean) {
    this.#out = out;
    this.#side = side;
    this.json = json;
  }

  /** One object, or the words for it. */
  result(value: unknown, words: string): void {
    this.#out.write(this.json ? `${JSON.stringify(value)}\n` : `${words}\n`);
  }

  /** One line of a list. */
  line(value: unknown, words: string): void {
    this.result(value, words);
  }

  /** What is good to know meanwhile; never part of the result. */
  notice(words: string): void {
    this.#side.write(`${words}\n`);
  }

  /** Says what failed; the exit status for it. */
  failure(error: unknown): number {
    const code = error instanceof PortcullisError ? error.code : 'internal';
    const message = error instanceof Error ? error.message : String(error);
    if (this.json) this.#out.write(`${JSON.stringify({ error: code, message })}\n`);
    this.#side.write(`portcullis: ${message} (${code})\n`);
    return code === 'usage' ? 2 : 1;
  }
}

/** Columns of equal width, for people. */
export function columns(...cells: [string | number | null, number][]): string {
  return cells
    .map(([cell, width]) => String(cell ?? '-').padEnd(width))
    .join(' ')
    .trimEnd();
}
