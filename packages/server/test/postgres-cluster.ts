/** Clusters of Debian's PostgreSQL of a test's own: a primary and a copy of it that follows, on free ports, gone with the test. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as later } from 'node:timers/promises';
import pg from 'pg';
import { patienceMs } from '../../../test/patience.ts';
import { freeBasePort } from '../../../tools/commands.ts';

const versions = '/usr/lib/postgresql';
const user = userInfo().username;
/** The server refuses to run as root. */
const asServer = user === 'root' ? ['runuser', '-u', 'postgres', '--'] : [];

function binary(name: string): string {
  const [newest = ''] = readdirSync(versions).toSorted((one, other) => Number(other) - Number(one));
  return join(versions, newest, 'bin', name);
}

function run(name: string, ...words: string[]): void {
  const [program = '', ...all] = [...asServer, binary(name), ...words];
  execFileSync(program, all, { cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] });
}

const saidMax = 2_000;
const hasEnded = ({ exitCode, signalCode }: ChildProcess) => exitCode !== null || signalCode !== null;

/** Where what a test began is ended: its context has it. */
interface Ending {
  after(end: () => Promise<void>): void;
}

export class Cluster {
  readonly port: number;
  readonly #directory: string;
  #server: ChildProcess | undefined;
  #said = '';

  static async primary(context: Ending): Promise<Cluster> {
    const cluster = await Cluster.#inFreePlace(context);
    const words = ['--auth=trust', '--encoding=UTF8', '--locale=C.UTF-8', '--no-instructions', `--username=${user}`];
    run('initdb', `--pgdata=${cluster.#directory}`, ...words);
    cluster.#configure();
    await cluster.start();
    return cluster;
  }

  static async #inFreePlace(context: Ending): Promise<Cluster> {
    const home = mkdtempSync(join(tmpdir(), 'portcullis-postgres-'));
    if (user === 'root') execFileSync('chown', ['postgres', home]);
    const cluster = new Cluster(join(home, 'data'), await freeBasePort());
    context.after(async () => {
      await cluster.kill();
      rmSync(home, { recursive: true, force: true });
    });
    return cluster;
  }

  private constructor(directory: string, port: number) {
    this.#directory = directory;
    this.port = port;
  }

  /** It follows this one, under a name by which commits can wait for it. */
  async copy(context: Ending, name: string): Promise<Cluster> {
    const copy = await Cluster.#inFreePlace(context);
    const from = `host=127.0.0.1 port=${this.port} user=${user} application_name=${name}`;
    const words = ['--write-recovery-conf', '--checkpoint=fast', `--dbname=${from}`];
    run('pg_basebackup', `--pgdata=${copy.#directory}`, ...words);
    copy.#configure();
    await copy.start();
    return copy;
  }

  #configure(): void {
    const settings = {
      ...{ port: this.port, listen_addresses: "'127.0.0.1'", unix_socket_directories: "''" },
      ...{
        shared_buffers: '16MB',
        max_connections: 40,
        hot_standby: 'on',
        wal_sender_timeout: '2s',
        wal_retrieve_retry_interval: '500ms',
      },
    };
    const lines = Object.entries(settings).map(([key, value]) => `${key} = ${value}\n`);
    appendFileSync(join(this.#directory, 'postgresql.conf'), lines.join(''));
  }

  /** Also after it was killed. */
  async start(): Promise<void> {
    const until = performance.now() + patienceMs;
    this.#server = this.#spawned();
    while (!(await this.ask('SELECT 1').catch(() => undefined))) {
      if (performance.now() > until) throw new Error(`no PostgreSQL on port ${this.port}; it said: ${this.#said}`);
      await later(50);
      // It does not start while the kernel still holds memory that the killed one shared with a process of its own.
      if (hasEnded(this.#server)) this.#server = this.#spawned();
    }
  }

  /** In a group of its own: what it started ends with it. */
  #spawned(): ChildProcess {
    const [program = '', ...words] = [...asServer, binary('postgres'), '-D', this.#directory];
    const server = spawn(program, words, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    server.stderr.on('data', (chunk: Buffer) => {
      this.#said = `${this.#said}${chunk}`.slice(-saidMax);
    });
    return server;
  }

  async ask<Row extends pg.QueryResultRow>(text: string): Promise<Row[]> {
    const client = new pg.Client({ host: '127.0.0.1', port: this.port, user, database: 'postgres' });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<Row>(text)).rows;
    } finally {
      await client.end();
    }
  }

  async set(name: string, value: string): Promise<void> {
    await this.ask(`ALTER SYSTEM SET ${name} = '${value}'`);
    await this.ask('SELECT pg_reload_conf()');
  }

  /** It takes changes from now on, on a timeline of its own. */
  async promote(): Promise<void> {
    await this.ask('SELECT pg_promote()');
  }

  /** As a machine is that lost its power. */
  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server?.pid === undefined || hasEnded(server)) return;
    const ended = once(server, 'exit');
    process.kill(-server.pid, 'SIGKILL');
    await ended;
  }
}

/** The address of a store in several of them. */
export const storeIn = (clusters: readonly Pick<Cluster, 'port'>[], more = '') =>
  `postgres://${user}@${clusters.map(({ port }) => `127.0.0.1:${port}`).join(',')}/postgres?schema=fleet${more}`;
