import { closeSync, openSync } from 'node:fs';
import { join, relative } from 'node:path';

/** What a socket's address takes (unix(7): 108 bytes with their end; fewer elsewhere). */
const addressBytesMax = 100;

export const socketFileIn = (directory: string) => join(directory, 'device.sock');

/** Uses the socket of a directory by an address that is short enough, however deep the directory lies. */
export function withAddress<T>(directory: string, use: (address: string) => T): T {
  const file = socketFileIn(directory);
  const short = [file, relative(process.cwd(), file)].find((path) => Buffer.byteLength(path) <= addressBytesMax);
  if (short !== undefined) return use(short);
  const handle = openSync(directory, 'r');
  try {
    return use(socketFileIn(`/proc/self/fd/${handle}`));
  } finally {
    closeSync(handle);
  }
}
