import { link, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';

/** For their owner alone, unless it is said. */
const ownerAlone = 0o600;

/** The file is the old one or the new one, whatever happens, and the new one once this resolves. */
export async function replaceFile(file: string, content: string, mode = ownerAlone): Promise<void> {
  await putInPlace(await written(`${file}.next`, content, mode), file);
}

/** A new file, whole or not there, and there once this resolves. One that is there stays, and is an error with the code EEXIST. */
export async function createFile(file: string, content: string | Uint8Array): Promise<void> {
  const next = await written(`${file}.next`, content, ownerAlone);
  try {
    await link(next, file);
  } finally {
    await unlink(next);
  }
  await syncDirectory(dirname(file));
}

/**
 * A new file for its owner alone, in as many pieces as `write` says: all of it is on disk once this resolves. What a crash or an error leaves is a part
 * of it, so it is made beside.
 */
export async function createInPieces(
  file: string,
  write: (append: (piece: Uint8Array) => Promise<void>) => Promise<void>,
): Promise<void> {
  const handle = await open(file, 'wx', ownerAlone);
  try {
    await write((piece) => handle.writeFile(piece));
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** At the end of a file, which is made if it is not there. A crash leaves a part of it at the end, or none. */
export async function appendTo(file: string, content: string): Promise<void> {
  const handle = await open(file, 'a', ownerAlone);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await syncDirectory(dirname(file));
}

/** What is whole beside takes its place at once, and has it after a power cut too once this resolves. */
export async function putInPlace(beside: string, place: string): Promise<void> {
  await rename(beside, place);
  await syncDirectory(dirname(place));
}

/** What an earlier crash left half-written goes first, with whatever mode it had. */
async function written(file: string, content: string | Uint8Array, mode: number): Promise<string> {
  await unlink(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  const handle = await open(file, 'wx', mode);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return file;
}

/** The names in it are what they are after a power cut too. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
