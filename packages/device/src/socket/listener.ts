import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { PortcullisError } from '@portcullis/contract';
import type { Device } from '../sending-device.ts';
import { socketFileIn, withAddress } from './address.ts';
import { Visitor } from './visitor.ts';

const visitorsMax = 64;

/**
 * Takes readings of other processes of this machine for the device that this one holds, over a socket in its directory, for its
 * owner alone. The protocol is on the page docs/device.md.
 */
export class Listener {
  readonly #server: Server;
  readonly #visitors = new Set<Visitor>();

  private constructor(device: Device) {
    this.#server = createServer((socket) => this.#serve(device, socket));
    this.#server.maxConnections = visitorsMax;
  }

  /** The caller holds the directory, so that a socket that is there is nobody's. @throws {PortcullisError} `internal` */
  static async open(device: Device, directory: string): Promise<Listener> {
    const listener = new Listener(device);
    rmSync(socketFileIn(directory), { force: true });
    try {
      await listener.#listen(directory);
    } catch (cause) {
      const message = `couldn't listen on "${socketFileIn(directory)}": ${(cause as NodeJS.ErrnoException).code}`;
      throw new PortcullisError('internal', message, { cause });
    }
    return listener;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const visitor of this.#visitors) visitor.end();
    await closed;
  }

  /** The socket is made by this very call: it never has another mode. */
  #listen(directory: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      const mask = process.umask(0o177);
      try {
        withAddress(directory, (address) => this.#server.listen(address, resolve));
      } finally {
        process.umask(mask);
      }
    });
  }

  #serve(device: Device, socket: Socket): void {
    const visitor = new Visitor(device, socket);
    this.#visitors.add(visitor);
    void visitor.serve().finally(() => this.#visitors.delete(visitor));
  }
}
