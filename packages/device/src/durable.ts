import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { PortcullisError } from '@portcullis/contract';

/** The file is the old one or the new one, whatever happens, and the new one once this returns. Mode 0600. */
export function replaceFile(file: string, content: string | Buffer): void {
  const next = `${file}.next`;
  rmSync(next, { force: true });
  const handle = openSync(next, 'wx', 0o600);
  try {
    writeFileSync(handle, content);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(next, file);
  syncDirectory(dirname(file));
}

/**
 * A directory for its owner alone, which a power cut does not take away with what is in it. Resolves to what had to be made, the
 * outermost first; what could not be made whole is not left behind.
 * @throws {PortcullisError} `directory_unusable`, `disk_full`
 */
export function makeDirectory(directory: string): string[] {
  const made: string[] = [];
  try {
    for (const missing of missingOf(resolve(directory))) if (makeOne(missing)) made.push(missing);
    for (const one of made.toReversed()) syncDirectory(dirname(one));
    return made;
  } catch (error) {
    removeDirectories(made);
    throw diskFailure(error, directory);
  }
}

/**
 * From the outermost that is not there. One step after the other: `mkdirSync` with `recursive` never ends where the kernel says of
 * a parent that is there that it is not, as /proc does (Node 24.21).
 */
function missingOf(directory: string): string[] {
  const missing: string[] = [];
  for (let one = directory; !isDirectory(one) && one !== dirname(one); one = dirname(one)) missing.unshift(one);
  return missing;
}

/** False where somebody else has made it meanwhile. */
function makeOne(directory: string): boolean {
  try {
    mkdirSync(directory, { mode: 0o700 });
    return true;
  } catch (error) {
    if (isDirectory(directory)) return false;
    throw error;
  }
}

const isDirectory = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/** What is empty of these, the innermost first: a directory that anything was put into meanwhile stays. */
export function removeDirectories(made: readonly string[]): void {
  for (const one of made.toReversed()) {
    try {
      rmdirSync(one);
    } catch {
      return;
    }
  }
}

const diskWords: Record<string, string> = {
  EACCES: 'this account may not write there',
  EPERM: 'this account may not write there',
  EROFS: 'the file system can only be read',
  ENOTDIR: 'a file is in the way',
  EEXIST: 'a file is in the way',
  ENOENT: 'nothing can be made there',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'its links lead in a circle',
};

/** What the disk said, as a failure that names the path and what to do; what is none of the disk's is given back as it came. */
export function diskFailure(cause: unknown, path: string): unknown {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new PortcullisError('disk_full', `there is no space for "${path}"; make space, or choose another place`, {
      cause,
    });
  }
  const words = diskWords[code ?? ''];
  if (words === undefined) return cause;
  return new PortcullisError(
    'directory_unusable',
    `"${path}" can not be written: ${words} (${code}); choose another place`,
    { cause },
  );
}

/** Makes a new file, a rename or a removal in the directory survive a power cut. */
export function syncDirectory(directory: string): void {
  const handle = openSync(directory, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** A file with a key in it is for its owner alone. @throws {PortcullisError} `credential_unusable` */
export function readSecretFile(file: string): string {
  const { mode } = statSync(file);
  if ((mode & 0o077) !== 0) {
    throw new PortcullisError(
      'credential_unusable',
      `"${file}" has mode ${(mode & 0o777).toString(8)}; it must be 600`,
    );
  }
  return readFileSync(file, 'utf8');
}
