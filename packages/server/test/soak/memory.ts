/** What a process holds, asked from outside: of one that was started with `environment`. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { patienceMs } from '../../../../test/patience.ts';

/** Bytes, after garbage was collected: of the process, of its JavaScript, and of what that holds beside its heap. */
export interface Memory {
  rss: number;
  heap: number;
  external: number;
}

const lookMs = 20;

/** `directory`: of the caller's own. */
export const tellingMemory = (directory: string) => ({
  NODE_OPTIONS: `--import=${pathToFileURL(join(import.meta.dirname, 'tells-memory.ts')).href}`,
  SOAK_MEMORY: directory,
});

export async function memoryOf(directory: string, pid: number): Promise<Memory> {
  const file = join(directory, `${pid}.json`);
  rmSync(file, { force: true });
  process.kill(pid, 'SIGUSR2');
  const end = performance.now() + patienceMs;
  while (!existsSync(file)) {
    if (performance.now() > end) throw new Error(`process ${pid} did not tell its memory within ${patienceMs} ms`);
    await pause(lookMs);
  }
  return JSON.parse(readFileSync(file, 'utf8')) as Memory;
}
