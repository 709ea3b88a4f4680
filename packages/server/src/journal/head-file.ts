import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { JournalHash, PortcullisError } from '@portcullis/contract';
import { z } from 'zod';

const Head = z.object({
  position: z.int().nonnegative(),
  revision: z.int().nonnegative(),
  /** Of the entry at `position`. */
  hash: JournalHash,
  /** Of the entry that made `revision`. */
  revisionHash: JournalHash,
});
export type JournalHead = z.infer<typeof Head>;

/** The head that was last written outside the database, or undefined where none was. */
export function readHeadFile(file: string): JournalHead | undefined {
  if (!existsSync(file)) return undefined;
  try {
    return Head.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    throw new PortcullisError('journal_damaged', `"${file}" is not a journal head; restore or remove it`, { cause });
  }
}

/** A crash leaves the old head or the new one. Both are heads that the journal had. */
export function writeHeadFile(file: string, head: JournalHead): void {
  replaceFileIn(file, head);
}

/** By rename, after its bytes are on disk. */
export function replaceFileIn(file: string, value: object): void {
  const next = `${file}.next`;
  const handle = openSync(next, 'w', 0o600);
  try {
    writeSync(handle, `${JSON.stringify(value)}\n`);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(next, file);
}
