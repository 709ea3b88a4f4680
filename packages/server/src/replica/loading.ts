import type { FeedMessage, SnapshotSoFar } from '@portcullis/contract';
import { load, loadPacked, Tables } from './tables.ts';
import { unpack } from './unpack.ts';

type Told<Type extends FeedMessage['type']> = Extract<FeedMessage, { type: Type }>;

/** A snapshot that is coming: it decides nothing. */
export class Loading {
  readonly tables = new Tables();
  readonly #id: string | undefined;
  /** How many packed pieces are in. */
  #pieces = 0;

  constructor({ id }: Told<'snapshot'>) {
    this.#id = id;
  }

  /** False: it is not what comes next. @throws {PortcullisError} `answer_malformed` */
  take(message: Told<'resumed' | 'packed' | 'subjects'>): boolean {
    switch (message.type) {
      case 'resumed':
        return this.#id === message.id && this.#pieces === message.pieces;
      case 'packed':
        if (message.number !== this.#pieces + 1) return false;
        loadPacked(this.tables, unpack(message.data));
        this.#pieces = message.number;
        return true;
      case 'subjects':
        for (const subject of message.subjects) load(this.tables, subject);
        return true;
    }
  }

  /** What is here of it, where it can be gone on with. */
  get soFar(): SnapshotSoFar | undefined {
    return this.#id === undefined || this.#pieces === 0 ? undefined : { id: this.#id, pieces: this.#pieces };
  }
}
