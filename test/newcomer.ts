/** Somebody who does what a page says: its shell blocks, one after another, in an empty folder and on ports of his own. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freeBasePort } from '../tools/commands.ts';
import { patienceMs } from './patience.ts';
import { root, textOf } from './tree.ts';

export interface Block {
  text: string;
  /** `background`: it stays, and listens; `stops`: the one that it quotes is ended; `fails`: its exit status is 1. */
  how: string;
}

export function blocksOf(page: string, from = ''): Block[] {
  const text = textOf(page);
  assert.ok(text.includes(from), `${page} has "${from}"`);
  const found = text.slice(text.indexOf(from)).matchAll(/```sh ?(\w*)\n([\s\S]*?)```/g);
  return [...found].map(([, how = '', block = '']) => ({ how, text: block }));
}

const modules = join(root, 'node_modules');
const environment = { ...process.env, NODE_PATH: modules, PATH: `${join(modules, '.bin')}:${process.env.PATH}` };
/** `npx` looks for a package above the current folder; here the same commands are on the path. `examples` are those of this tree. */
const local = (text: string) =>
  text.replaceAll(/\bnpx (portcullis|node\b)/g, '$1').replaceAll(/\bnode (examples\/)/g, `node ${root}/$1`);

export class Newcomer {
  readonly #home: string;
  readonly #base: number;
  readonly #stays: { words: string; child: ChildProcess }[] = [];

  constructor(home: string, base: number) {
    this.#home = home;
    this.#base = base;
  }

  async follow(blocks: readonly Block[]): Promise<void> {
    for (const block of blocks) await this.run(block);
  }

  async run({ text, how }: Block): Promise<void> {
    const words = this.#onOwnPorts(local(text));
    if (how === 'stops') return this.#stop(/"(.*)"/.exec(words)?.[1] ?? '');
    if (how === 'background') {
      await this.starts(words, /listening on/, / up\b/.test(words) ? 3 : 1);
      return;
    }
    const { status, said } = await this.#ended(words);
    assert.equal(status, how === 'fails' ? 1 : 0, `${words}\n${said}`);
  }

  #ended(words: string): Promise<{ status: ChildProcess['exitCode']; said: string }> {
    const options = { cwd: this.#home, env: environment, timeout: 4 * patienceMs };
    return new Promise((resolve) => {
      const child = execFile('bash', ['-ec', words], options, (_error, out, side) =>
        resolve({ status: child.exitCode, said: `${out}\n${side}` }),
      );
      child.stdin?.end();
    });
  }

  write(file: string, change: (before: string) => string): void {
    const path = join(this.#home, file);
    writeFileSync(path, change(existsSync(path) ? readFileSync(path, 'utf8') : ''));
  }

  path(file: string): string {
    return join(this.#home, file);
  }

  /** To what was started with these words, and stays. */
  signal(words: string, signal: NodeJS.Signals): void {
    const found = this.#stays.find((one) => one.words === words);
    assert.ok(found, `"${words}" was not started`);
    found.child.kill(signal);
  }

  /** What stays. Resolves to what it said once so many of its lines are of this kind. */
  starts(words: string, pattern: RegExp, count: number): Promise<string[]> {
    const child = spawn('bash', ['-c', `exec ${words}`], {
      cwd: this.#home,
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#stays.push({ words: words.trim(), child });
    const lines: string[] = [];
    return new Promise((resolve, reject) => {
      child.once('close', (status) =>
        reject(new Error(`${words} ended with ${status}; it said:\n${lines.join('\n')}`)),
      );
      const onLine = (line: string) => {
        lines.push(line);
        if (lines.filter((one) => pattern.test(one)).length >= count) resolve(lines);
      };
      for (const input of [child.stdout, child.stderr]) createInterface({ input }).on('line', onLine);
    });
  }

  #onOwnPorts(text: string): string {
    return text
      .replace(/^portcullis init\b/m, `portcullis init --base-port ${this.#base}`)
      .replaceAll('localhost:8443', `localhost:${this.#base + 3}`)
      .replaceAll('-p 8444 ', `-p ${this.#base + 4} `)
      .replaceAll('localhost:8444', `localhost:${this.#base + 4}`)
      .replaceAll('localhost:8445', `localhost:${this.#base + 5}`)
      .replaceAll('localhost:8446', `localhost:${this.#base + 6}`)
      .replaceAll('127.0.0.1:8454', `127.0.0.1:${this.#base + 14}`)
      .replaceAll('localhost:8449', `localhost:${this.#base + 9}`)
      .replaceAll('localhost:8447', `localhost:${this.#base + 7}`)
      .replaceAll('--port 8453', `--port ${this.#base + 13}`);
  }

  async #stop(quoted: string): Promise<void> {
    const found = this.#stays.findIndex(({ words }) => words === quoted);
    assert.notEqual(found, -1, `"${quoted}" was not started`);
    const [{ child } = { child: undefined }] = this.#stays.splice(found, 1);
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  }

  /** The one that was started last comes first. */
  async stop(): Promise<void> {
    for (let last = this.#stays.at(-1); last; last = this.#stays.at(-1)) await this.#stop(last.words);
  }
}

export async function asNewcomer(work: (newcomer: Newcomer) => Promise<void>): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'portcullis-prose-'));
  const newcomer = new Newcomer(home, await freeBasePort());
  try {
    await work(newcomer);
  } finally {
    await newcomer.stop();
    rmSync(home, { recursive: true, force: true });
  }
}
