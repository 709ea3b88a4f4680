import { readFileSync } from 'node:fs';
import { PortcullisError } from '@portcullis/contract';

/** A file that somebody names in a command. @throws {PortcullisError} `usage` */
export function namedFile(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new PortcullisError('usage', `couldn't read "${file}": ${(cause as NodeJS.ErrnoException).code}`, { cause });
  }
}
