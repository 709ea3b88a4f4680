/** Debian's CFSSL with a CA of P-256, as it signs over HTTP; and who asks it, over connections that stay. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { toPem } from '../packages/server/src/pki/pki.ts';
import { freeBasePort } from '../tools/commands.ts';
import { cpuSeconds } from './measure.ts';

export interface Signed {
  perSecond: number;
  /** Of the whole process. */
  cpuMs: number;
}

export const hasCfssl = () => spawnSync('cfssl', ['version'], { stdio: 'ignore' }).status === 0;

/** As `certdb/sqlite/migrations` of CFSSL has it. */
const tables = `
  CREATE TABLE certificates (
    serial_number BLOB NOT NULL, authority_key_identifier BLOB NOT NULL, ca_label BLOB, status BLOB NOT NULL, reason INT, expiry TIMESTAMP,
    revoked_at TIMESTAMP, pem BLOB NOT NULL, PRIMARY KEY (serial_number, authority_key_identifier)
  )`;

export class Cfssl {
  readonly #folder = mkdtempSync(join(tmpdir(), 'portcullis-bench-cfssl-'));
  readonly #file = (name: string) => join(this.#folder, name);

  constructor() {
    const request = JSON.stringify({ CN: 'bench', key: { algo: 'ecdsa', size: 256 } });
    const made = execFileSync('cfssl', ['gencert', '-initca', '-loglevel', '5', '-'], { input: request });
    const { cert, key } = JSON.parse(made.toString()) as { cert: string; key: string };
    const profile = { expiry: '720h', usages: ['digital signature', 'client auth'] };
    const settings = { signing: { default: profile } };
    const database = { driver: 'sqlite3', data_source: this.#file('certs.db') };
    const files = { cert, key, config: JSON.stringify(settings), database: JSON.stringify(database) };
    for (const [name, text] of Object.entries(files)) writeFileSync(this.#file(name), text, { mode: 0o600 });
    const store = new DatabaseSync(this.#file('certs.db'));
    // Its fastest that is durable: one flush for each certificate.
    store.exec(`PRAGMA journal_mode = WAL; ${tables}`);
    store.close();
  }

  /** Each of these signed once, so many at once. `stores`: what it signed, in SQLite, before it answers. */
  async sign(requests: readonly Uint8Array[], atOnce: number, { stores }: { stores: boolean }): Promise<Signed> {
    const port = await freeBasePort();
    const kept = stores ? ['-db-config', this.#file('database')] : [];
    const keys = ['-ca', this.#file('cert'), '-ca-key', this.#file('key'), '-config', this.#file('config')];
    const words = ['serve', '-address', '127.0.0.1', '-port', String(port), '-loglevel', '4', ...keys, ...kept];
    const child = spawn('cfssl', words, { stdio: 'ignore' });
    try {
      const posts = requests.map(postOf);
      await untilItAnswers(port);
      const [begun, before] = [performance.now(), cpuSeconds(child.pid as number)];
      await askAll(port, posts, atOnce);
      const [ms, spent] = [performance.now() - begun, cpuSeconds(child.pid as number) - before];
      return { perSecond: (requests.length / ms) * 1_000, cpuMs: (spent * 1_000) / requests.length };
    } finally {
      child.kill();
      await once(child, 'exit');
    }
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function postOf(request: Uint8Array): Buffer {
  const body = JSON.stringify({ certificate_request: toPem('CERTIFICATE REQUEST', request) });
  const head = `host: localhost\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}`;
  return Buffer.from(`POST /api/v1/cfssl/sign HTTP/1.1\r\n${head}\r\n\r\n${body}`);
}

const startTries = 200;

async function untilItAnswers(port: number): Promise<void> {
  for (let tries = 0; tries < startTries; tries++) {
    const socket = connect(port, '127.0.0.1');
    const came = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (came) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('cfssl did not start');
}

async function askAll(port: number, posts: readonly Buffer[], atOnce: number): Promise<void> {
  let next = 0;
  const lane = () =>
    new Promise<void>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1');
      let heard = '';
      const ask = () => {
        const post = posts[next++];
        if (post) socket.write(post);
        else socket.destroy();
      };
      socket.setEncoding('latin1').setNoDelay(true).on('connect', ask).on('error', reject).on('close', resolve);
      socket.on('data', (piece: string) => {
        heard += piece;
        if (!isWhole(heard)) return;
        if (!heard.startsWith('HTTP/1.1 200')) reject(new Error(`cfssl: ${heard}`));
        heard = '';
        ask();
      });
    });
  await Promise.all(Array.from({ length: atOnce }, lane));
}

function isWhole(heard: string): boolean {
  const end = heard.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const length = /content-length: (\d+)/i.exec(heard.slice(0, end))?.[1];
  return length === undefined ? heard.endsWith('0\r\n\r\n') : heard.length >= end + 4 + Number(length);
}
