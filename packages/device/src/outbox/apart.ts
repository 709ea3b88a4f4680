import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '../durable.ts';

const fileIn = (outbox: string) => join(outbox, 'unknown.json');

/** Since when no known gate has the stream of this outbox, as the last one that asked was told. */
export function unknownSince(outbox: string): string | undefined {
  const file = fileIn(outbox);
  if (!existsSync(file)) return undefined;
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { since: string }).since;
  } catch {
    return 'some time';
  }
}

/** A disk that has no room for the note is no reason to stop: the next one that asks is told again. */
export function noteUnknown(outbox: string, since: string): void {
  try {
    if (!existsSync(fileIn(outbox))) replaceFile(fileIn(outbox), `${JSON.stringify({ since })}\n`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

export function noteKnown(outbox: string): void {
  rmSync(fileIn(outbox), { force: true });
}
