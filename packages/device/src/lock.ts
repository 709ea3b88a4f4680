import { createHash } from 'node:crypto';
import { realpathSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PortcullisError } from '@portcullis/contract';

/**
 * Holds a directory for the life of this process: a local socket whose name is the directory's hash. On Linux it is an abstract
 * one, which the kernel drops with the process, however it dies; elsewhere its file may stay behind, and nobody answers there.
 * @throws {PortcullisError} `store_locked`
 */
export async function holdDirectory(directory: string, platform: string = process.platform): Promise<Server> {
  const name = `portcullis-device-${createHash('sha256').update(realpathSync(directory)).digest('hex').slice(0, 32)}`;
  const address = addressOf(name, platform);
  try {
    return await listen(address);
  } catch (cause) {
    if (!address.startsWith('/') || (await answers(address))) throw locked(directory, cause);
    rmSync(address, { force: true });
  }
  return listen(address).catch((cause) => {
    throw locked(directory, cause);
  });
}

const locked = (directory: string, cause: unknown) =>
  new PortcullisError('store_locked', `another process uses "${directory}"; stop it first`, { cause });

function listen(address: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(address, () => resolve(server.unref()));
  });
}

function answers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address);
    socket.once('connect', () => resolve(true));
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT'));
    socket.once('connect', () => socket.destroy());
  });
}

function addressOf(name: string, platform: string): string {
  if (platform === 'linux') return `\0${name}`;
  return platform === 'win32' ? `\\\\?\\pipe\\${name}` : join(tmpdir(), `${name}.sock`);
}
