import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { makeDirectory, syncDirectory } from '../durable.ts';
import type { Credential } from './credential.ts';

/** What goes with the readings of a subject. The credential is last: as long as it is there, the move can be done again. */
const refused = ['', '.1', '.again', '.older', '.newer'].map((part) => `refused${part}.ndjson`);
const belongings = ['outbox', ...refused, 'bad-lines', 'taken', 'credential.json'];

/**
 * Makes room for another credential; says where the old one is. Readings stay when they are the new one's too, else they go
 * along: nobody but their own subject ever sends them.
 */
export function moveAside(directory: string, old: Credential, next: Credential): string {
  const isSame = old.fleet === next.fleet && old.subject === next.subject;
  const aside = freeName(join(directory, 'replaced', old.subject));
  makeDirectory(aside);
  for (const name of isSame ? ['credential.json'] : belongings) {
    if (existsSync(join(directory, name))) renameSync(join(directory, name), join(aside, name));
  }
  syncDirectory(aside);
  syncDirectory(directory);
  return aside;
}

function freeName(base: string): string {
  let number = 1;
  while (existsSync(`${base}-${number}`)) number++;
  return `${base}-${number}`;
}
