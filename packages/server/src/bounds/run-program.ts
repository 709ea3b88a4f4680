import { spawn } from 'node:child_process';

/** Of what it says when it fails. */
const saidBytesMax = 2_048;
const shownMax = 200;
const lastWordsMs = 200;

/**
 * A program without a shell, with this on its standard input. It has an environment of its own, with none of ours but the path; with what it
 * started it is ended when its time is over. Resolves when it exits 0. @throws {Error} how it ended otherwise; the signal's reason
 */
export function runProgram(
  [file, ...words]: readonly [string, ...string[]],
  input: string | Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    // A group of its own, which can be ended as one: kill(2).
    const env = { PATH: process.env.PATH ?? '/usr/bin:/bin' };
    const child = spawn(file, words, { stdio: ['pipe', 'ignore', 'pipe'], detached: true, env });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (piece: string) => {
      if (said.length < saidBytesMax) said += piece;
    });
    const end = () => {
      if (child.pid !== undefined) killGroup(child.pid);
      reject(signal.reason);
    };
    signal.addEventListener('abort', end, { once: true });
    // It may end without having read: its status says what came of it.
    child.stdin.on('error', () => undefined).end(input);
    child.on('error', (error) => {
      signal.removeEventListener('abort', end);
      reject(error);
    });
    child.on('exit', (status, killed) => {
      signal.removeEventListener('abort', end);
      if (status === 0) {
        child.stderr.destroy();
        return resolve();
      }
      const how = status === null ? `was ended by ${killed}` : `exited with ${status}`;
      const fail = () => {
        child.stderr.destroy();
        reject(new Error(`"${file}" ${how}${shown(said)}`));
      };
      // What it started may hold its standard error open for ever.
      const late = setTimeout(fail, lastWordsMs);
      child.on('close', () => {
        clearTimeout(late);
        fail();
      });
    });
  });
}

function shown(said: string): string {
  const words = said.replace(/\s+/g, ' ').trim().slice(0, shownMax).toWellFormed();
  return words === '' ? '' : `: ${words}`;
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It ended by itself meanwhile.
  }
}
