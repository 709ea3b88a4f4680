/** Runs the project's own commands as processes, as a user would: what the scripts of this folder are made of. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { patienceMs } from '../test/patience.ts';

const root = join(import.meta.dirname, '..');
const files = {
  portcullis: join(root, 'packages/server/bin/portcullis.js'),
  'portcullis-device': join(root, 'packages/device/bin/portcullis-device.js'),
};
/** What Node is told for a test file; `npm test` says the same. */
export const testOptions = ['--import', './test/quick.js', '--conditions=portcullis-source'] as const;

export type Program = keyof typeof files;

/** How a process is started: which file, with what further options of Node, and what more in its environment. */
export interface Launch {
  file: string;
  options?: readonly string[];
  environment?: Record<string, string>;
}

export const launchOf = (program: Program, environment: Record<string, string> = {}): Launch => ({
  file: files[program],
  environment,
});

export interface Finished {
  status: number;
  out: string;
  error: string;
}

const run = promisify(execFile);
/** The commands end by themselves within five seconds, and on a machine that is four times slower in less than this. */
const stopMsMax = 30_000;

/** Runs one command to its end, whatever its exit status. */
export async function finished(program: Program | Launch, ...words: string[]): Promise<Finished> {
  const { file, options = [], environment } = typeof program === 'string' ? launchOf(program) : program;
  try {
    const { stdout, stderr } = await run(process.execPath, [...options, file, ...words], {
      ...{ maxBuffer: 64 * 1024 * 1024, env: { ...process.env, ...environment } },
    });
    return { status: 0, out: stdout, error: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { status: code, out: stdout, error: stderr };
  }
}

/** Runs one command that must succeed; resolves to what it printed. */
export async function succeeded(program: Program, ...words: string[]): Promise<string> {
  const { status, out, error } = await finished(program, ...words);
  if (status === 0) return out.trim();
  throw new Error(`${program} ${words[0]} ended with ${status}: ${error.trim()}`);
}

/** Whoever ends before stopping what it started takes it along: these are in no group that a terminal would end. */
const started = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of started) child.kill();
});

/** The same, of a command that prints no text. */
export async function printed(program: Program, ...words: string[]): Promise<Buffer> {
  const { stdout } = await run(process.execPath, [files[program], ...words], { encoding: 'buffer' });
  return stdout;
}

/** A command that stays, with the lines that it prints. */
export class Running {
  readonly process: ChildProcess;
  readonly #lines: string[] = [];
  readonly #listeners = new Set<(line: string) => void>();
  #asked = false;

  /** An end that nobody asked for is told where a test's failure is read. */
  constructor(program: Program | Launch, ...words: string[]) {
    const { file, options = [], environment } = typeof program === 'string' ? launchOf(program) : program;
    this.process = spawn(process.execPath, [...options, file, ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, ...environment },
    });
    started.add(this.process);
    this.process.once('exit', () => started.delete(this.process));
    this.process.once('close', (status, signal) => {
      if (this.#asked || status === 0) return;
      const how = signal === null ? `ended with ${status}` : `was ended by ${signal}`;
      process.stderr.write(`"${words.join(' ')}" ${how}; it said:\n${this.#lines.slice(-20).join('\n')}\n`);
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      if (stream) createInterface({ input: stream }).on('line', (line) => this.#said(line));
    }
  }

  #said(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > 1_000) this.#lines.shift();
    for (const listener of this.#listeners) listener(line);
  }

  onLine(listener: (line: string) => void): void {
    this.#listeners.add(listener);
  }

  /** Resolves to the first line that fits, also one that was said before. */
  async line(pattern: RegExp, withinMs = patienceMs): Promise<string> {
    const known = this.#lines.find((line) => pattern.test(line));
    if (known !== undefined) return known;
    return new Promise((resolve, reject) => {
      const failed = (why: string) => {
        clearTimeout(timer);
        reject(new Error(`${why}; it said:\n${this.#lines.slice(-20).join('\n')}`));
      };
      const timer = setTimeout(() => failed(`no line ${pattern} within ${withinMs} ms`), withinMs);
      // Not at its exit: its last lines may not have been read by then.
      this.process.once('close', () => failed(`it ended without a line ${pattern}`));
      this.onLine((line) => {
        if (!pattern.test(line)) return;
        clearTimeout(timer);
        resolve(line);
      });
    });
  }

  /** Told to end, also where it was paused; one that does not end is killed. */
  async stop(): Promise<void> {
    const { process: child } = this;
    this.#asked = true;
    if (child.exitCode !== null || child.signalCode !== null) return;
    await new Promise<void>((resolve) => {
      const killing = setTimeout(() => child.kill('SIGKILL'), stopMsMax);
      child.once('exit', () => {
        clearTimeout(killing);
        resolve();
      });
      child.kill('SIGTERM');
      if (process.platform !== 'win32') child.kill('SIGCONT');
    });
  }

  /** Ends it in the middle of whatever it does. */
  async kill(): Promise<void> {
    const { process: child } = this;
    this.#asked = true;
    if (child.exitCode !== null || child.signalCode !== null) return;
    await new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.kill('SIGKILL');
    });
  }
}

/** Below what the kernel hands out to connections: what is free now is not taken by one of them meanwhile. */
const portsFrom = 10_000;
const portsUntil = 32_000;
const portsInARow = 16;

/** The first of sixteen ports in a row that belong to the caller; those that a house takes are free now. */
export async function freeBasePort(): Promise<number> {
  for (;;) {
    const base = portsFrom + portsInARow * Math.floor((Math.random() * (portsUntil - portsFrom)) / portsInARow);
    const wanted = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((offset) => freePort(base + offset).catch(() => undefined));
    if (!(await Promise.all(wanted)).includes(undefined)) return base;
  }
}

function freePort(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.close(() => resolve(port));
    });
  });
}
