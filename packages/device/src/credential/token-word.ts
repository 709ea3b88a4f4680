import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { PortcullisError } from '@portcullis/contract';

/**
 * A token as commands take it: itself, `@FILE`, or `-` for standard input. Arguments are seen by everybody on the machine, so that a
 * secret is better told in one of the other ways. @throws {PortcullisError} `usage`
 */
export async function tokenFrom(word: string): Promise<string> {
  if (word === '-') return text(process.stdin);
  if (!word.startsWith('@')) return word;
  const file = word.slice(1);
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new PortcullisError('usage', `couldn't read "${file}": ${(cause as NodeJS.ErrnoException).code}`, { cause });
  }
}
