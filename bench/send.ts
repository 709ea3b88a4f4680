/** How long a device's `send` takes for a large file, from its start to the last acknowledgement; an older tree's beside with `--base PATH`. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { House } from '../packages/server/test/house.ts';
import type { Row } from './bench.ts';
import { quantile, rounded, thousands } from './measure.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
const lines = 50_000;
const rounds = 3;
const roundsInFull = 9;
const ratioMax = 0.5;
/** Of the whole file, on a busy machine too. */
const waitSeconds = 600;

interface Took {
  /** Of the whole process, and of its processor time. */
  seconds: number;
  cpu: number;
}

/** Both sides send to the same gate, in turns, so that they see the same machine. */
export async function benchSend(words: string[]): Promise<Row[]> {
  const at = words.indexOf('--base');
  const house = await House.open();
  try {
    const file = join(house.home, 'readings.ndjson');
    writeFileSync(file, Array.from({ length: lines }, (_, index) => lineOf(index)).join(''));
    const ours = { tree: root, device: await house.device('truck-17'), took: [] as Took[] };
    const base =
      at < 0
        ? undefined
        : { tree: resolve(words[at + 1] ?? ''), device: await house.device('truck-18'), took: [] as Took[] };
    for (let round = 0; round < (words.includes('--full') ? roundsInFull : rounds); round++) {
      for (const side of base ? [base, ours] : [ours]) side.took.push(await send(side.tree, side.device, file));
    }
    return (['seconds', 'cpu'] as const).map((what) => row(what, ours.took, base?.took));
  } finally {
    await house.close();
  }
}

function lineOf(index: number): string {
  return `{"temperature":${20 + (index % 10)},"value":${index},"sensor":"sensor-${index % 100}"}\n`;
}

async function send(tree: string, device: string, file: string): Promise<Took> {
  const program = join(tree, 'packages/device/bin/portcullis-device.js');
  const start = performance.now();
  const words = ['send', 'telemetry', file, '--device', device, '--json', '--wait', String(waitSeconds)];
  const { stdout, stderr } = await run('bash', [
    '-c',
    'TIMEFORMAT="%U %S"; time "$@"',
    'bash',
    process.execPath,
    program,
    ...words,
  ]);
  const { acknowledged } = JSON.parse(stdout) as { acknowledged: number };
  if (acknowledged !== lines) throw new Error(`${acknowledged} of ${lines} were acknowledged`);
  return { seconds: (performance.now() - start) / 1000, cpu: cpuIn(stderr) };
}

/** Bash's own clock writes user and system seconds behind whatever the command said. */
function cpuIn(said: string): number {
  const [user = 'NaN', system = 'NaN'] = said.trim().split('\n').at(-1)?.split(' ') ?? [];
  return Number(user) + Number(system);
}

function row(what: keyof Took, ours: Took[], base: Took[] | undefined): Row {
  const own = quantile(
    ours.map((took) => took[what]),
    0.5,
  );
  const other =
    base &&
    quantile(
      base.map((took) => took[what]),
      0.5,
    );
  const name = what === 'cpu' ? 'processor time of the device' : 'from start to the last acknowledgement';
  return {
    what: `send of ${thousands(lines)} readings, ${name}`,
    ours: `${rounded(own, 1)} s`,
    peer: other === undefined ? 'none (--base PATH)' : `${rounded(other, 1)} s: ${rounded(own / other, 2)} ×`,
    target: `≤ ${ratioMax} × the base`,
    met: other === undefined ? null : own <= ratioMax * other,
  };
}
