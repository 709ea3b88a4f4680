import type { Writer } from '../storage/storage.ts';

/** One table: a step looks at its rows after a place. No `next`: there are no more. */
export type Shelf = (db: Writer, after: string, now: number) => Promise<{ moved: number; next: string | undefined }>;
