import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PortcullisError } from '@portcullis/contract';

/**
 * Holds a directory for the life of this process: a local socket whose name is the directory's hash. On Linux it is an abstract
 * one, which the kernel drops with the process, however it dies.
 * @throws {PortcullisError} `store_locked`
 */
export async function holdDirectory(directory: string): Promise<Server> {
  const name = `portcullis-device-${createHash('sha256').update(realpathSync(directory)).digest('hex').slice(0, 32)}`;
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new PortcullisError('store_locked', `another process uses "${directory}"; stop it first`, { cause })),
    );
    server.listen(addressOf(name), resolve);
  });
  return server.unref();
}

function addressOf(name: string): string {
  if (process.platform === 'linux') return `\0${name}`;
  return process.platform === 'win32' ? `\\\\?\\pipe\\${name}` : join(tmpdir(), `${name}.sock`);
}
