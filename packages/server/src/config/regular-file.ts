import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { PortcullisError } from '@portcullis/contract';

export interface RegularFile {
  descriptor: number;
  size: number;
  /** Group or others may read it. Windows has no such bits. */
  readableByOthers: boolean;
}

const otherReaders = 0o044;

/** Opens what is a regular file, and nothing that could block or never end. @throws {PortcullisError} `config_invalid` */
export function openRegular(file: string, bytesMax: number): RegularFile {
  const descriptor = openWithoutWaiting(file);
  const stat = fstatSync(descriptor);
  const why = !stat.isFile() ? 'must be a regular file' : stat.size > bytesMax ? moreThan(bytesMax) : undefined;
  if (why !== undefined) {
    closeSync(descriptor);
    throw invalid(file, why);
  }
  const readableByOthers = process.platform !== 'win32' && (stat.mode & otherReaders) !== 0;
  return { descriptor, size: stat.size, readableByOthers };
}

/** @throws {PortcullisError} `config_invalid` */
export function readRegular(file: string, bytesMax: number): Buffer {
  const { descriptor } = openRegular(file, bytesMax);
  try {
    return readBounded(file, descriptor, bytesMax);
  } finally {
    closeSync(descriptor);
  }
}

/** Files may grow, and some say that they are empty and are not (`/proc`). */
function readBounded(file: string, descriptor: number, bytesMax: number): Buffer {
  const chunks: Buffer[] = [];
  for (let bytes = 0; ; ) {
    const chunk = Buffer.alloc(65_536);
    const read = readInto(file, descriptor, chunk);
    if (read === 0) return Buffer.concat(chunks);
    bytes += read;
    if (bytes > bytesMax) throw invalid(file, moreThan(bytesMax));
    chunks.push(chunk.subarray(0, read));
  }
}

function readInto(file: string, descriptor: number, chunk: Buffer): number {
  try {
    return readSync(descriptor, chunk);
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

/** Without a byte order mark. @throws {PortcullisError} `config_invalid` */
export function textOf(file: string, bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw invalid(file, 'it is not UTF-8', cause);
  }
}

/** The opening of a named pipe waits for its other end otherwise (open(2), O_NONBLOCK). */
function openWithoutWaiting(file: string): number {
  try {
    return openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

/** The file may be well: what could not be read now may be read a moment later. */
const passing: readonly string[] = ['EMFILE', 'ENFILE', 'ENOMEM', 'ESTALE', 'EAGAIN'];

export function unreadable(file: string, cause: unknown): PortcullisError {
  const { code = 'unknown' } = cause as NodeJS.ErrnoException;
  if (passing.includes(code))
    return new PortcullisError('internal', `${file}: couldn't read it now (${code})`, { cause });
  const why = code === 'ENOENT' ? 'the file does not exist' : `must be a regular file that can be read (${code})`;
  return invalid(file, why, cause);
}

const moreThan = (bytesMax: number) => `it has more than ${bytesMax} bytes`;

function invalid(file: string, why: string, cause?: unknown): PortcullisError {
  return new PortcullisError('config_invalid', `${file}: ${why}`, { cause });
}
