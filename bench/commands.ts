/** How long a user waits for a command that asks the authority; beside an older tree with `--base PATH`, command by command. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { freeBasePort, Running } from '../tools/commands.ts';
import type { Row } from './bench.ts';
import { quantile } from './measure.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
const rounds = 10;
const roundsInFull = 40;
const ratioMax = 0.4;
const startMsMax = 120_000;

const asked = [
  ['subject', 'list'],
  ['attribute', 'get', 'truck-17'],
  ['certificate', 'list'],
  ['gate', 'list'],
];
const alone = [['--help']];

/** One tree with a fleet of its own, so that each program asks the authority that it was made with. */
class Side {
  readonly #file: string;
  readonly #home = mkdtempSync(join(tmpdir(), 'portcullis-bench-'));
  readonly #fleet = join(this.#home, 'fleet');
  #house: Running | undefined;

  constructor(tree: string) {
    this.#file = join(tree, 'packages/server/bin/portcullis.js');
  }

  async open(): Promise<void> {
    await this.#portcullis(['init', this.#fleet, '--base-port', String(await freeBasePort())]);
    this.#house = new Running({ file: this.#file, environment: this.#environment() }, 'up', this.#fleet);
    await Promise.all(
      ['authority', 'gate'].map((role) => this.#house?.line(new RegExp(`^${role} listening`), startMsMax)),
    );
    await this.#portcullis(['token', 'create', 'truck-17', '--fleet', this.#fleet]);
  }

  /** Milliseconds from start to end of the process. */
  async time(words: string[], environment: Record<string, string> = {}): Promise<number> {
    const from = performance.now();
    await this.#portcullis(asked.includes(words) ? [...words, '--fleet', this.#fleet] : words, environment);
    return performance.now() - from;
  }

  #environment(): Record<string, string> {
    return { XDG_CACHE_HOME: join(this.#home, 'cache') };
  }

  async #portcullis(words: string[], environment: Record<string, string> = {}): Promise<void> {
    await run(process.execPath, [this.#file, ...words], {
      env: { ...process.env, ...this.#environment(), ...environment },
    });
  }

  async close(): Promise<void> {
    await this.#house?.stop();
    rmSync(this.#home, { recursive: true, force: true });
  }
}

export async function benchCommands(words: string[]): Promise<Row[]> {
  const at = words.indexOf('--base');
  const base = at < 0 ? undefined : new Side(resolve(words[at + 1] ?? ''));
  const ours = new Side(root);
  try {
    await ours.open();
    await base?.open();
    const count = words.includes('--full') ? roundsInFull : rounds;
    const rows: Row[] = [];
    for (const command of [...asked, ...alone]) rows.push(await compare(command, count, ours, base));
    return [...rows, await withoutCache(count, ours, base)];
  } finally {
    await ours.close();
    await base?.close();
  }
}

/** One after the other, so that both see the same machine; the first of each is not counted. */
async function compare(command: string[], count: number, ours: Side, base: Side | undefined): Promise<Row> {
  const [own, other] = await alternating(count, command, ours, base, {});
  return row(`portcullis ${command.join(' ')}`, own, other, asked.includes(command));
}

/** What the very first command costs, before anything was kept. */
async function withoutCache(count: number, ours: Side, base: Side | undefined): Promise<Row> {
  const command = asked[0] as string[];
  const [own, other] = await alternating(count, command, ours, base, { NODE_DISABLE_COMPILE_CACHE: '1' });
  return row(`portcullis ${command.join(' ')}, nothing kept from earlier runs`, own, other, false);
}

async function alternating(
  count: number,
  command: string[],
  ours: Side,
  base: Side | undefined,
  environment: Record<string, string>,
): Promise<[number[], number[]]> {
  const [own, other]: [number[], number[]] = [[], []];
  for (let round = 0; round <= count; round++) {
    const took = await ours.time(command, environment);
    const tookBase = await base?.time(command);
    if (round === 0) continue;
    own.push(took);
    if (tookBase !== undefined) other.push(tookBase);
  }
  return [own, other];
}

function row(what: string, own: number[], other: number[], wanted: boolean): Row {
  const [median, peer] = [quantile(own, 0.5), quantile(other, 0.5)];
  const shown = (value: number) => `${Math.round(value)} ms`;
  if (other.length === 0) return { what, ours: shown(median), peer: '', target: '', met: null };
  const ratio = median / peer;
  return {
    what,
    ours: `${shown(median)} (${ratio.toFixed(2)} ×)`,
    peer: shown(peer),
    target: wanted ? `≤ ${ratioMax} × the older tree` : '',
    met: wanted ? ratio <= ratioMax : null,
  };
}
