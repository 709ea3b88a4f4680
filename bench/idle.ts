/** What a connection costs that sent one reading and is silent since: memory of the gate's process; bare `node:tls` and `node:https` servers with the same certificates beside. */
import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Memory, memoryOf, tellingMemory } from '../packages/server/test/soak/memory.ts';
import type { Row } from './bench.ts';
import type { Held, Wanted } from './idle-load.ts';
import { rounded, thousands } from './measure.ts';
import { openStage, type Stage, startBareServer } from './stage.ts';

const [few, many] = [5_000, 20_000];
/** So many come and go before the first look: what a process makes once is not theirs. */
const warm = 1_000;
const share = 1.05;
/** Of its open files a gate needs these for itself. */
const filesOfItsOwn = 200;
const idleMs = 3_600_000;

interface Use {
  connections: number;
  memory: Memory;
}
type Side = { name: string; uses: Use[] };

class Load {
  readonly #process: ChildProcess = fork(join(import.meta.dirname, 'idle-load.ts'), {
    execArgv: ['--conditions=portcullis-source'],
  });

  async hold(wanted: Wanted): Promise<void> {
    const told = Promise.race([once(this.#process, 'message'), once(this.#process, 'exit')]);
    this.#process.send(wanted);
    const [held] = (await told) as [Held | number];
    if (typeof held !== 'object' || held.lost > 0 || held.open !== wanted.connections)
      throw new Error(`not every connection is held: ${JSON.stringify(held)}`);
  }

  close(): void {
    this.#process.disconnect();
  }
}

async function measure(
  { name, pid, port }: { name: string; pid: number; port: number },
  pem: string,
  sizes: readonly number[],
  directory: string,
): Promise<Side> {
  // Two: each has as many open files as a process may have.
  const loads = [new Load(), new Load()];
  const hold = async (connections: number) => {
    const half = Math.ceil(connections / 2);
    const halves = [half, connections - half];
    await Promise.all(
      loads.map((load, at) => load.hold({ port, pem, connections: halves[at] as number, prefix: `${name}-${at}` })),
    );
    return { connections, memory: await memoryOf(directory, pid) };
  };
  try {
    await hold(warm);
    const uses: Use[] = [];
    for (const connections of [0, ...sizes]) uses.push(await hold(connections));
    return { name, uses };
  } finally {
    for (const load of loads) load.close();
  }
}

/** As many as one process may have open. */
function most(): number {
  const files = Number(execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }));
  return Number.isNaN(files) ? many : Math.min(many, files - filesOfItsOwn);
}

export async function benchIdle(): Promise<Row[]> {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-idle-'));
  const environment = tellingMemory(directory);
  const stage = await openStage(undefined, undefined, (house) => {
    Object.assign(house.environments.gate, environment);
    house.configure('gate.yaml', (text) => `${text}  idleMs: ${idleMs}\n`);
  });
  try {
    const sizes = [few, most()];
    const gate = { name: 'gate', pid: stage.gatePid, port: stage.house.basePort + 3 };
    const ours = await measure(gate, stage.pem, sizes, directory);
    const peers = [await beside(stage, 'tls', sizes, directory), await beside(stage, 'https', sizes, directory)];
    return sizes.flatMap((_, at) => peers.map((peer) => rowOf(ours, peer, at + 1)));
  } finally {
    await stage.close();
    rmSync(directory, { recursive: true });
  }
}

async function beside(stage: Stage, what: string, sizes: readonly number[], directory: string): Promise<Side> {
  const options = { words: [what], environment: tellingMemory(directory) };
  const { child, port } = await startBareServer(stage, 'idle-server.ts', options);
  try {
    return await measure({ name: what, pid: child.pid as number, port }, stage.pem, sizes, directory);
  } finally {
    child.disconnect();
  }
}

function rowOf(ours: Side, peer: Side, at: number): Row {
  const [mine, theirs] = [eachOf(ours, at), eachOf(peer, at)];
  const shown = ({ rss, heap, external }: Memory) =>
    `RSS ${kibibytes(rss)}, heap ${kibibytes(heap)}, beside it ${kibibytes(external)} KiB`;
  const isTarget = peer.name === 'tls';
  return {
    what: `each of ${thousands(ours.uses[at]?.connections ?? 0)} idle connections; bare node:${peer.name} beside (${rounded(mine.rss / theirs.rss, 2)} ×)`,
    ...{ ours: shown(mine), peer: shown(theirs) },
    target: isTarget ? `RSS ≤ ${share} ×` : '',
    met: isTarget ? mine.rss <= share * theirs.rss : null,
  };
}

const kibibytes = (bytes: number) => rounded(bytes / 1_024);

/** What is there beyond what was there without them. */
function eachOf({ uses }: Side, at: number): Memory {
  const [without, held] = [uses[0] as Use, uses[at] as Use];
  const each = (what: keyof Memory) => (held.memory[what] - without.memory[what]) / held.connections;
  return { rss: each('rss'), heap: each('heap'), external: each('external') };
}
