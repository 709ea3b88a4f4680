import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readJson } from '@portcullis/contract';
import { replaceFile, syncDirectory } from '../durable.ts';
import type { System } from '../system.ts';
import { BoundedFile } from './bounded-file.ts';
import { lineOf, type Stamp } from './reading.ts';
import type { Refusal } from './sender.ts';

export interface RefusedReading {
  stream: string;
  /** As a line of JSON with its own id and time. */
  line: string;
  /** What stands in the file. */
  entry: string;
}

/** The readings that will never pass as they are, each with the reason that the gate gave. */
export class RefusedFile {
  readonly #directory: string;
  readonly #system: System;
  readonly #lines: BoundedFile;
  #taken: ReadonlySet<string> = new Set();

  constructor(directory: string, system: System) {
    this.#directory = directory;
    this.#system = system;
    this.#lines = new BoundedFile(join(directory, 'refused.ndjson'));
  }

  /** On disk before the reading leaves the outbox: a crash between the two notes it twice. True: the oldest ones went for it. */
  add(refusal: Refusal, line: string): boolean {
    const told = JSON.stringify({ at: new Date(this.#system.now()).toISOString(), ...refusal });
    return this.#lines.append(`${told.slice(0, -1)},"reading":${line}}`);
  }

  count(): number {
    return new Set(this.#sources.flatMap(entriesIn)).size;
  }

  /**
   * All of them, out of the way of those that are refused meanwhile. They stay on disk until `giveBack`: a crash before it only
   * means that the next one takes them again, as the same readings. Another process may have opened a file just before it was
   * moved, and write behind what was read here: that is found by `giveBack`.
   */
  take(): RefusedReading[] {
    const { file, older } = this.#lines;
    for (const [from, to] of [
      [older, this.#named('older')],
      [file, this.#named('newer')],
    ] as const) {
      if (existsSync(from) && !existsSync(to)) renameSync(from, to);
    }
    const again = this.#named('again');
    this.#taken = new Set([again, ...this.#moved].flatMap(entriesIn));
    const entries = [...this.#taken];
    if (entries.length > 0) replaceFile(again, entries.map((entry) => `${entry}\n`).join(''));
    return entries.flatMap(readingIn);
  }

  /** Those that were not sent again are among the refused ones as before. */
  giveBack(readings: RefusedReading[]): void {
    const late = this.#moved.flatMap(entriesIn).filter((entry) => !this.#taken.has(entry));
    for (const entry of [...readings.map((reading) => reading.entry), ...late]) this.#lines.append(entry);
    for (const done of [...this.#moved, this.#named('again')]) rmSync(done, { force: true });
    syncDirectory(this.#directory);
  }

  get #sources(): string[] {
    const { file, older } = this.#lines;
    return [this.#named('again'), ...this.#moved, older, file];
  }

  get #moved(): string[] {
    return [this.#named('older'), this.#named('newer')];
  }

  #named(part: 'again' | 'older' | 'newer'): string {
    return join(this.#directory, `refused.${part}.ndjson`);
  }
}

function entriesIn(file: string): string[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '');
}

/** None, where somebody edited the file and it is no entry any more. */
function readingIn(entry: string): RefusedReading[] {
  const json = readJson(entry);
  const value =
    'refused' in json ? undefined : (json.value as { stream?: unknown; reading?: Stamp & { data?: unknown } });
  if ('refused' in json || typeof value?.stream !== 'string' || typeof value.reading !== 'object') return [];
  const text = json.without((name) => name !== 'reading').slice('{"reading":'.length, -1);
  const line = isOfVersion010(value.reading) ? lineOf(JSON.stringify(value.reading.data), value.reading) : text;
  const read = readJson(line);
  return 'refused' in read ? [] : [{ stream: value.stream, line: read.without((name) => name === '_clock'), entry }];
}

/** It kept the reading's parts. */
function isOfVersion010(reading: object): boolean {
  return !Object.hasOwn(reading, '_clock') && Object.hasOwn(reading, 'data') && Object.hasOwn(reading, 'id');
}
