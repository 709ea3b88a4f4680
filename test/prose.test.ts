/** The blocks of docs/start.md and of the README's tour, run one after another as a newcomer would, on ports of their own. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { freeBasePort } from '../tools/commands.ts';
import { patienceMs } from './patience.ts';
import { root, textOf } from './tree.ts';

interface Block {
  text: string;
  /** `background`: it stays; `fails`: its exit status is not 0. */
  how: string;
}

function blocksOf(page: string, from = ''): Block[] {
  const text = textOf(page);
  const found = text.slice(text.indexOf(from)).matchAll(/```sh ?(\w*)\n([\s\S]*?)```/g);
  return [...found].map(([, how = '', block = '']) => ({ how, text: block }));
}

const environment = { ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}` };
/** `npx` looks for a package above the current folder; here the same commands are on the path. */
const local = (text: string) => text.replaceAll(/\bnpx (portcullis)/g, '$1');

class Newcomer {
  readonly #home: string;
  readonly #base: number;
  readonly #stays: ChildProcess[] = [];

  constructor(home: string, base: number) {
    this.#home = home;
    this.#base = base;
  }

  run({ text, how }: Block): void {
    const words = this.#onOwnPorts(local(text));
    if (how === 'background') return this.#background(words);
    const ended = spawnSync('bash', ['-ec', words], {
      cwd: this.#home,
      env: environment,
      encoding: 'utf8',
      timeout: 4 * patienceMs,
    });
    const said = `${words}\n${ended.stdout}\n${ended.stderr}`;
    if (how === 'fails') assert.equal(ended.status, 1, said);
    else assert.equal(ended.status, 0, said);
  }

  write(file: string, change: (before: string) => string): void {
    const path = join(this.#home, file);
    writeFileSync(path, change(existsSync(path) ? readFileSync(path, 'utf8') : ''));
  }

  #onOwnPorts(text: string): string {
    return text
      .replace(/^portcullis init\b/m, `portcullis init --base-port ${this.#base}`)
      .replaceAll('localhost:8443', `localhost:${this.#base + 3}`)
      .replaceAll('--port 8453', `--port ${this.#base + 2}`);
  }

  #background(words: string): void {
    this.#stays.push(
      spawn('bash', ['-c', `exec ${words}`], {
        cwd: this.#home,
        env: environment,
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    );
  }

  /** Until as many listeners have said so as there are. */
  async listens(count: number): Promise<void> {
    const child = this.#stays.at(-1);
    for (let said = 0; said < count; ) {
      const [chunk] = (await new Promise((resolve) => child?.stdout?.once('data', (...words) => resolve(words)))) as [
        Buffer,
      ];
      said += chunk.toString().match(/listening on/g)?.length ?? 0;
    }
  }

  async stop(): Promise<void> {
    for (const child of this.#stays.toReversed()) {
      if (child.exitCode !== null) continue;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    }
  }
}

async function asNewcomer(work: (newcomer: Newcomer) => Promise<void>): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'portcullis-prose-'));
  mkdirSync(home, { recursive: true });
  const newcomer = new Newcomer(home, await freeBasePort());
  try {
    await work(newcomer);
  } finally {
    await newcomer.stop();
    rmSync(home, { recursive: true, force: true });
  }
}

test('the tour of docs/start.md works by copy and paste', async () => {
  await asNewcomer(async (newcomer) => {
    for (const block of blocksOf('docs/start.md')) {
      newcomer.run(block);
      if (block.how === 'background') await newcomer.listens(/ up\b/.test(block.text) ? 2 : 1);
    }
  });
});

test('the policy on the page about expectations is one that a gate takes', async () => {
  await asNewcomer(async (newcomer) => {
    newcomer.run({ text: 'portcullis init', how: '' });
    const text = textOf('docs/concepts/expectations.md');
    const [streams, expected] = ['yaml', 'json'].map((kind) => text.split(`\`\`\`${kind}\n`)[1]?.split('```')[0] ?? '');
    newcomer.write('fleet/gate.yaml', (yaml) => yaml.slice(0, yaml.indexOf('streams:')) + streams);
    newcomer.write('fleet/expected.ndjson', () => expected ?? '');
    newcomer.write('fleet/cold-chain.schema.json', () => '{"properties":{"temperature":{"type":"number"}}}');
    newcomer.run({ text: 'portcullis config check', how: '' });
  });
});

test('the ten lines of the README work by copy and paste', async () => {
  await asNewcomer(async (newcomer) => {
    const [tour] = blocksOf('README.md', '## The tour in ten lines');
    const [init, ...rest] = (tour?.text ?? '').trim().split('\n');
    newcomer.run({ text: init ?? '', how: '' });
    newcomer.run({ text: 'npx portcullis up', how: 'background' });
    await newcomer.listens(2);
    for (const line of rest) newcomer.run({ text: line, how: '' });
  });
});
