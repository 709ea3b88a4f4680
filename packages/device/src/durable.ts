import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { PortcullisError } from '@portcullis/contract';

/** The file is the old one or the new one, whatever happens, and the new one once this returns. Mode 0600. */
export function replaceFile(file: string, content: string): void {
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

/** A directory for its owner alone, which a power cut does not take away with what is in it. */
export function makeDirectory(directory: string): void {
  const first = mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  const top = dirname(resolve(first));
  for (let made = dirname(resolve(directory)); made.length >= top.length; made = dirname(made)) {
    syncDirectory(made);
    if (made === top) break;
  }
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
