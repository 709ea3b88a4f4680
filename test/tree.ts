/** The tracked files of this repository, read as text: what the tests of the tree look at. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

export const root = join(import.meta.dirname, '..');

/** Tracked files and new ones that git does not ignore, as paths below the root. */
export function trackedFiles(): string[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  return listed.split('\n').filter((path) => path !== '' && existsSync(join(root, path)));
}

export function textOf(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** The module specifiers that a source file imports or re-exports, statically or not. */
export function importsOf(path: string): string[] {
  const found = textOf(path).matchAll(/(?:^|\s)(?:from|import)\s*\(?\s*'([^']+)'/g);
  return [...found].map((match) => match[1] as string);
}

/** Those that are loaded with the file itself: no types, and nothing that it imports when it runs. */
export function loadedWith(path: string): string[] {
  const found = textOf(path).matchAll(/^(?:import|export) (?!type\b)(?:[^;']*? from )?'([^']+)';/gm);
  return [...found].map((match) => match[1] as string);
}

/** A relative specifier as a path below the root. */
export function resolved(from: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(from), specifier));
}
