import type { Writer } from '../storage/storage.ts';

export interface ShelfTime {
  /** Milliseconds since 1970. */
  now: number;
  /** For how long after its end a certificate of whichever kind may be renewed. */
  renewableMs: number;
}

/** One table: a step looks at its rows after a place. No `next`: there are no more. */
export type Shelf = (
  db: Writer,
  after: string,
  time: ShelfTime,
) => Promise<{ moved: number; next: string | undefined }>;
