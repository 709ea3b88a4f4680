/** Where the time of a reading goes: the gate's main thread while readings come one a request, as a flame graph and by folder. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Row } from './bench.ts';
import { areasOf, flameGraph, framesOf, type Profile } from './flame.ts';
import { load, openStage } from './stage.ts';

const path = '/v1/streams/telemetry/readings';
const [warmMs, runMs, writtenMs] = [4_000, 10_000, 30_000];
const areasShown = 16;
const drawn = join(import.meta.dirname, 'gate-reading.svg');

export async function benchProfile(): Promise<Row[]> {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-profile-'));
  process.env.BENCH_PROFILE = directory;
  process.env.NODE_OPTIONS = `--import=${pathToFileURL(join(import.meta.dirname, 'profiled.ts')).href}`;
  const stage = await openStage().finally(() => {
    delete process.env.NODE_OPTIONS;
  });
  try {
    const job = { path, pem: stage.pem, port: stage.house.basePort + 3, connections: 64, fresh: false, readings: 1 };
    await load({ ...job, milliseconds: warmMs, prefix: 'warm' });
    process.kill(stage.gatePid, 'SIGUSR2');
    const { requests } = await load({ ...job, milliseconds: runMs, prefix: 'run' });
    process.kill(stage.gatePid, 'SIGUSR2');
    const root = framesOf(await written(join(directory, `${stage.gatePid}.cpuprofile`)));
    const each = root.total / requests;
    const title = `gate, main thread, one reading a request: ${each.toFixed(1)} µs each under the profiler; without idle and native time outside of calls`;
    writeFileSync(drawn, flameGraph(root, title));
    return areasOf(root)
      .slice(0, areasShown)
      .map(([area, share]) => {
        const ours = `${(100 * share).toFixed(1)} %, ${(each * share).toFixed(1)} µs`;
        return { what: `own time of ${area}`, ours, peer: '', target: '', met: null };
      });
  } finally {
    await stage.close();
    rmSync(directory, { recursive: true });
  }
}

async function written(file: string): Promise<Profile> {
  const end = performance.now() + writtenMs;
  while (performance.now() < end) {
    if (existsSync(file)) {
      try {
        return JSON.parse(readFileSync(file, 'utf8')) as Profile;
      } catch {
        // It is being written.
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${file} was not written`);
}
