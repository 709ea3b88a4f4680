/**
 * Debian's nats-server with JetStream on the disk, with an account for each fleet, since a stream's subjects are one fleet's. It is that of the
 * tests alone, and can be killed.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as later } from 'node:timers/promises';
import { jetstreamManager, type StreamConfig } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { patienceMs } from '../../../test/patience.ts';
import { standStill } from '../../../test/standstill.ts';
import { parseStreamAddress, type StreamAddress } from '../src/storage/sink/jetstream/address.ts';

export const program = ['nats-server', '/usr/sbin/nats-server'].find(
  (one) => spawnSync(one, ['--version']).status === 0,
);

/** Under CI a test without it fails. */
export const skip =
  process.env.CI === 'true' || program !== undefined ? false : 'nats-server (Debian) is missing: NOT TESTED HERE';

const accountsMax = 300;
export const password = 'of the tests';

/** What an operator is told to make. */
export const usualStream = {
  ...{ name: 'readings', subjects: ['readings.>', 'settled.>'], storage: 'file', retention: 'limits', discard: 'new' },
  duplicate_window: 3_600 * 1e9,
} as const satisfies Partial<StreamConfig>;

export class NatsServer {
  readonly port: number;
  readonly #directory = mkdtempSync(join(tmpdir(), 'portcullis-nats-'));
  #process: ChildProcess | undefined;
  #accounts = 0;

  private constructor(port: number) {
    this.port = port;
    const accounts = Array.from(
      { length: accountsMax },
      (_, at) => `fleet${at}: { jetstream: enabled, users: [{ user: fleet${at}, password: "${password}" }] }`,
    );
    writeFileSync(
      join(this.#directory, 'nats.conf'),
      `listen: 127.0.0.1:${port}\njetstream: { store_dir: "${this.#directory}/streams", max_file: 4G }\naccounts: {\n${accounts.join('\n')}\n}\n`,
    );
  }

  /** On a port that is free now. */
  static async start(port: number): Promise<NatsServer> {
    const server = new NatsServer(port);
    await server.start();
    return server;
  }

  async start(): Promise<void> {
    const words = ['-c', join(this.#directory, 'nats.conf')];
    this.#process = spawn(program as string, words, { stdio: 'ignore' });
    const until = performance.now() + patienceMs;
    while (!(await this.#answers())) {
      if (performance.now() > until) throw new Error('nats-server does not listen');
      await later(20);
    }
  }

  #answers(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connectTo(this.port, '127.0.0.1');
      socket.once('data', (said) => {
        socket.destroy();
        resolve(String(said).startsWith('INFO '));
      });
      socket.once('error', () => resolve(false));
    });
  }

  pause(): void {
    standStill(this.#process?.pid);
  }

  resume(): void {
    this.#process?.kill('SIGCONT');
  }

  /** As a machine that loses the process, not its disk. */
  async kill(): Promise<void> {
    const ended = this.#process && once(this.#process, 'exit');
    this.#process?.kill('SIGKILL');
    await ended;
    this.#process = undefined;
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** A user of an account without a stream. */
  newUser = () => `fleet${this.#accounts++}`;

  addressOf = (user: string): StreamAddress =>
    parseStreamAddress(`nats://${user}@127.0.0.1:${this.port}/readings?passfile=word`, () => password);

  /** What a client of the account does. */
  async as<Answer>(user: string, work: (manager: Awaited<ReturnType<typeof jetstreamManager>>) => Promise<Answer>) {
    const connection = await connect({ servers: `127.0.0.1:${this.port}`, user, pass: password });
    try {
      return await work(await jetstreamManager(connection));
    } finally {
      await connection.close();
    }
  }

  makeStream = (user: string, more: Partial<StreamConfig> = {}) =>
    this.as(user, (manager) => manager.streams.add({ ...usualStream, ...more }));
}
