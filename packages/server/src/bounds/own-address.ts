import { chmodSync, rmSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { PortcullisError } from '@portcullis/contract';

/** A port of this machine's own address, or a socket in the file system: neither is reached from another machine. */
export type OwnAddress = { host: string; port: number } | { path: string };

/** Whoever is in the group of the socket may ask; everybody else may not. */
const socketMode = 0o660;

/**
 * `key`: what the configuration calls it.
 * @throws {PortcullisError} `port_taken`, `config_invalid`
 */
export async function listenOnOwn(server: Server, address: OwnAddress, key: string): Promise<void> {
  if ('path' in address) await removeAbandoned(address.path);
  const where = 'path' in address ? address.path : `${address.host}:${address.port}`;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const taken = cause.code === 'EADDRINUSE';
      const why = taken ? `${where} is taken by another process` : `couldn't listen on ${where}: ${cause.code}`;
      reject(new PortcullisError(taken ? 'port_taken' : 'config_invalid', `${key}: ${why}`, { cause }));
    });
    // Of several processes of a gate each has its own.
    server.listen({ ...address, exclusive: true }, resolve);
  });
  if ('path' in address) chmodSync(address.path, socketMode);
}

/** What a process that died left behind takes no connection; one that another process serves is left to it. */
async function removeAbandoned(path: string): Promise<void> {
  const served = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED'));
  });
  if (!served) rmSync(path, { force: true });
}
