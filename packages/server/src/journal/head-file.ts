import { existsSync, readFileSync } from 'node:fs';
import { JournalHash, PortcullisError } from '@portcullis/contract';
import { z } from 'zod';
import { replaceFile } from '../telemetry/telemetry.ts';

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
export function writeHeadFile(file: string, head: JournalHead): Promise<void> {
  return replaceFile(file, `${JSON.stringify(head)}\n`);
}
