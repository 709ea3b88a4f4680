/** How long `portcullis readings --json` takes for 50 000 stored readings; beside the build of an older tree where one is named. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Row } from './bench.ts';
import { quantile, rounded } from './measure.ts';

const count = 50_000;
const batchRows = 500;
const runs = 5;
const share = 0.3;

/** What is older than a gate keeps would go while it is listed. */
const receivedFrom = Date.now() - 3_600_000;

type House = Awaited<ReturnType<typeof open>>;
type HouseModule = typeof import('../packages/server/test/house.ts');
type SinkModule = typeof import('../packages/server/src/storage/sink.ts');

/** A house of that tree's own code, whose gate has them stored. */
async function open(tree: string) {
  const load = <Module>(path: string) => import(pathToFileURL(join(tree, path)).href) as Promise<Module>;
  const { House } = await load<HouseModule>('packages/server/test/house.ts');
  const { openSqliteSink } = await load<SinkModule>('packages/server/src/storage/sink.ts');
  return House.open(async ({ fleet }) => {
    const directory = join(fleet, 'gate');
    mkdirSync(directory, { recursive: true });
    await using sink = await openSqliteSink(directory);
    for (let batch = 1; batch <= count / batchRows; batch++) await sink.write(writeOf(batch));
    const all = count / batchRows;
    await sink.mark({ looked: all, quarantine: [], proven: all, unproven: [] });
  });
}

function writeOf(batch: number): Parameters<Awaited<ReturnType<SinkModule['openSqliteSink']>>['write']>[0] {
  const rows = Array.from({ length: batchRows }, (_, index) => batch * batchRows + index);
  const request = {
    ...{
      subject: 'truck-17',
      certificate: 'ab'.repeat(32),
      stream: 'telemetry',
      receivedAt: receivedFrom + batch * 1_000,
    },
    ...{ policy: 1, revision: 7, ids: rows.map((row) => `reading-${row}`), given: rows.map(() => true) },
    ...{ deviceTimes: rows.map((row) => row), clocks: rows.map(() => 'synchronized' as const) },
    data: rows.map((row) => `{"t":${row % 40}.${row % 10},"humidity":${row % 100},"door":"closed","sequence":${row}}`),
    ...{ carriedBy: null, sealed: false, sequences: rows.map(() => null), runs: rows.map(() => null) },
    watched: [],
  };
  return { batch, instance: 'a'.repeat(32), requests: [request], looked: 0, quarantine: [], proven: 0, unproven: [] };
}

/** Seconds from the start of the command to its end; what it prints goes into a file. */
async function seconds(tree: string, { fleet, home }: { fleet: string; home: string }): Promise<number> {
  const words = [join(tree, 'packages/server/bin/portcullis.js'), 'readings', '--json', '--fleet', fleet];
  const began = performance.now();
  const printed = join(home, 'printed.ndjson');
  const file = openSync(printed, 'w');
  const child = spawn(process.execPath, words, { stdio: ['ignore', file, 'inherit'] });
  await once(child, 'close');
  const taken = (performance.now() - began) / 1_000;
  closeSync(file);
  const lines = readFileSync(printed, 'latin1').split('\n').length - 1;
  if (lines !== count) throw new Error(`${tree}: ${lines} readings came, and ${count} are there`);
  return taken;
}

export async function benchReadings(words: string[]): Promise<Row[]> {
  const named = words.indexOf('--base');
  const trees = [join(import.meta.dirname, '..'), ...(named === -1 ? [] : [words[named + 1] as string])];
  const houses = [];
  for (const tree of trees) houses.push(await open(tree));
  const times: number[][] = trees.map(() => []);
  // In turns, so that whatever else the machine does meets both.
  for (let run = 0; run < runs; run++) {
    for (const [index, tree] of trees.entries()) times[index]?.push(await seconds(tree, houses[index] as House));
  }
  for (const house of houses) await house.close();
  const [ours = Number.NaN, base] = times.map((one) => quantile(one, 0.5));
  return [
    {
      what: `readings --json of ${count}, median of ${runs}`,
      ours: `${rounded(ours, 2)} s`,
      peer: base === undefined ? '' : `${rounded(base, 2)} s (the tree of --base)`,
      target: base === undefined ? '' : `≤ ${share} × that`,
      met: base === undefined ? null : ours <= share * base,
    },
  ];
}
