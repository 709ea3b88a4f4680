import { existsSync, readFileSync } from 'node:fs';
import { Timestamp } from '@portcullis/contract';
import { z } from 'zod';
import { replaceFile } from '../telemetry/telemetry.ts';

/** What `portcullis journal verify` found when it last looked at all of the journal. */
const Verified = z.object({ at: Timestamp, entries: z.int().nonnegative(), whole: z.boolean() });
export type Verified = z.infer<typeof Verified>;

/** Undefined where nobody verified it yet, or where the file can not be read: it only tells, and nothing depends on it. */
export function readVerifiedFile(file: string): Verified | undefined {
  try {
    return existsSync(file) ? Verified.parse(JSON.parse(readFileSync(file, 'utf8'))) : undefined;
  } catch {
    return undefined;
  }
}

/** A crash leaves what was found before, or this. */
export function writeVerifiedFile(file: string, verified: Verified): Promise<void> {
  return replaceFile(file, `${JSON.stringify(verified)}\n`);
}
