import { join } from 'node:path';
import type { System } from '../system.ts';
import { BoundedFile } from './bounded-file.ts';
import type { Refusal } from './sender.ts';

/** The readings that will never pass as they are, each with the reason that the gate gave. */
export class RefusedFile {
  readonly #system: System;
  readonly #lines: BoundedFile;

  constructor(directory: string, system: System) {
    this.#system = system;
    this.#lines = new BoundedFile(join(directory, 'refused.ndjson'));
  }

  /** On disk before the reading leaves the outbox: a crash between the two notes it twice. True: the oldest ones went for it. */
  add(refusal: Refusal, line: string): boolean {
    const told = JSON.stringify({ at: new Date(this.#system.now()).toISOString(), ...refusal });
    return this.#lines.append(`${told.slice(0, -1)},"reading":${line}}`);
  }
}
