import { mkdir, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { PortcullisError } from '@portcullis/contract';
import { diskSpace, replaceFile, syncDirectory } from '../../../telemetry/telemetry.ts';

/** An open file that is written at its end. */
export interface Appended {
  /** On disk once it resolves. */
  write(bytes: Buffer, at: number): Promise<void>;
  cut(at: number): Promise<void>;
  /** Whether its name leads to it: somebody may have removed it, or the directory that it was in. */
  isThere(): Promise<boolean>;
  close(): Promise<void>;
}

/** What a spool asks of a disk: a test has one that fails. */
export interface Disk {
  make(directory: string): Promise<void>;
  names(directory: string): Promise<string[]>;
  read(file: string): Promise<Buffer>;
  readPart(file: string, at: number, length: number): Promise<Buffer>;
  /** A new file, which is open and on disk with its name. */
  create(file: string, head: Buffer): Promise<Appended>;
  open(file: string): Promise<Appended>;
  replace(file: string, content: string): Promise<void>;
  move(from: string, to: string): Promise<void>;
  remove(file: string): Promise<void>;
  sync(directory: string): Promise<void>;
  /** How many bytes there is room for. */
  free(directory: string): Promise<number>;
}

export const realDisk: Disk = {
  make: async (directory) => {
    await mkdir(directory, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  },
  names: (directory) => readdir(directory),
  read: (file) => readFile(file),
  readPart: async (file, at, length) => {
    const handle = await open(file, 'r');
    try {
      const bytes = Buffer.alloc(length);
      const { bytesRead } = await handle.read(bytes, 0, length, at);
      return bytes.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  },
  create: (file, head) => opened(file, 'wx', head),
  open: (file) => opened(file, 'r+'),
  replace: replaceFile,
  move: rename,
  remove: unlink,
  sync: syncDirectory,
  free: async (directory) => (await diskSpace(directory)).freeBytes,
};

async function opened(file: string, flags: string, head?: Buffer): Promise<Appended> {
  const handle = await open(file, flags, 0o600);
  const write = async (bytes: Buffer, at: number) => {
    let written = 0;
    while (written < bytes.length)
      written += (await handle.write(bytes, written, bytes.length - written, at + written)).bytesWritten;
    await handle.datasync();
  };
  const cut = async (at: number) => {
    await handle.truncate(at);
    await handle.datasync();
  };
  const isThere = async () => {
    const [own, named] = await Promise.all([handle.stat(), stat(file).catch(() => undefined)]);
    return named?.ino === own.ino && named.dev === own.dev;
  };
  try {
    if (head) await write(head, 0);
  } catch (error) {
    await handle.close();
    throw error;
  }
  return { write, cut, isThere, close: () => handle.close() };
}

export const isDiskFull = (error: unknown) =>
  error instanceof PortcullisError
    ? error.code === 'disk_full'
    : ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');
