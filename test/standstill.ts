import { readdirSync, readFileSync } from 'node:fs';
import { patienceMs } from './patience.ts';

const pause = new Int32Array(new SharedArrayBuffer(4));

/**
 * Stops a process (SIGSTOP), and returns when all of it stands still, or is gone. `kill` alone returns before: until one thread has taken the
 * signal the others go on, and on a busy machine a server answers once more (signal(7): it goes to one thread that may take it).
 */
export function standStill(pid: number | undefined): void {
  if (pid === undefined || !isThere(() => process.kill(pid, 'SIGSTOP'))) return;
  const until = performance.now() + patienceMs;
  while (!stands(pid)) {
    if (performance.now() > until) throw new Error(`process ${pid} does not stand still`);
    Atomics.wait(pause, 0, 0, 1);
  }
}

/** The state of a thread is the letter after its name in brackets, which may hold brackets itself (proc_pid_stat(5)). */
function stands(pid: number): boolean {
  const folder = `/proc/${pid}/task`;
  let isGoing = false;
  isThere(() => {
    for (const thread of readdirSync(folder))
      isThere(() => {
        const text = readFileSync(`${folder}/${thread}/stat`, 'utf8');
        isGoing ||= !'TtZX'.includes(text.charAt(text.lastIndexOf(')') + 2));
      });
  });
  return !isGoing;
}

/** False: the process, or the thread, has ended. */
function isThere(ask: () => void): boolean {
  try {
    ask();
    return true;
  } catch (error) {
    if (['ESRCH', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}
