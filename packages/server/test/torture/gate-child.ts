/** One gate of the torture, seen from outside: its process, its network, its disk, its policy. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { standStill } from '../../../../test/standstill.ts';
import { nodeOptions } from '../../src/cli/processes.ts';
import type { Passage } from '../passage.ts';

/** The longest that a write waits before it reaches the disk, and after it did. */
export interface SlowDisk {
  beforeMs: number;
  afterMs: number;
}

/** Long: the authority may be killed again and again meanwhile, and the machine be busy with something else. */
const listenMsMax = 240_000;
const restartMs = 1_000;
const lastLinesMax = 20;

export const decideSocketIn = (directory: string) => join(directory, 'decide.sock');

export class GateChild {
  /** Its subject's, but for a copy: two processes may have one identity. */
  readonly name: string;
  readonly directory: string;
  readonly url: string;
  /** Between it and the authority. */
  readonly passage: Passage;
  readonly seed: number;
  /** Its `gate.yaml` when nothing is wrong. */
  readonly settings: string;
  /** By which receipts name its processes: the last is the one that listens now. */
  readonly instances: string[] = [];
  /** The rule that is switched off; none in a clean run. */
  broken = '';
  /** How often it ended without being told to. */
  died = 0;
  #child: ChildProcess | undefined;
  #disk: SlowDisk = { beforeMs: 0, afterMs: 0 };
  #lines: string[] = [];

  constructor(made: Pick<GateChild, 'name' | 'directory' | 'url' | 'passage' | 'seed' | 'settings'>) {
    this.name = made.name;
    this.directory = made.directory;
    this.url = made.url;
    this.passage = made.passage;
    this.seed = made.seed;
    this.settings = made.settings;
    this.configure(made.settings);
  }

  get mqttPort(): number {
    return Number(new URL(this.url).port) + 1;
  }

  get coapPort(): number {
    return this.mqttPort + 1;
  }

  get decideSocket(): string {
    return decideSocketIn(this.directory);
  }

  /** What it said last. */
  last(): readonly string[] {
    return this.#lines;
  }

  get runs(): boolean {
    return this.#child !== undefined;
  }

  /** Resolves once it listens. One that ends before, since the authority did meanwhile, is started again, as `up` does. */
  async start(): Promise<void> {
    const until = performance.now() + listenMsMax;
    while (!(await this.startOnce(until - performance.now()))) {
      if (performance.now() > until)
        throw new Error(`${this.name} does not listen; it said:\n${this.#lines.join('\n')}`);
      await pause(restartMs);
    }
  }

  /** False: it ended before it listened, or took too long. */
  async startOnce(withinMs = listenMsMax): Promise<boolean> {
    const words = [this.directory, String(this.seed), this.broken];
    const child = fork(join(import.meta.dirname, 'gate-process.ts'), words, {
      execArgv: [...nodeOptions],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#child = child;
    this.disk(this.#disk);
    const listens = await this.#listening(child, withinMs);
    if (!listens) {
      await this.kill();
      return false;
    }
    child.once('exit', () => {
      if (this.#child !== child) return;
      this.died++;
      this.#child = undefined;
    });
    return true;
  }

  #listening(child: ChildProcess, withinMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), withinMs);
      const ended = (listens: boolean) => {
        clearTimeout(timer);
        resolve(listens);
      };
      child.once('exit', () => ended(false));
      for (const stream of [child.stdout, child.stderr]) {
        if (!stream) continue;
        createInterface({ input: stream }).on('line', (line) => {
          this.#lines = [...this.#lines, line].slice(-lastLinesMax);
          const instance = line.match(/^gate listening on \d+ as (\w+)$/)?.[1];
          if (instance === undefined) return;
          this.instances.push(instance);
          ended(true);
        });
      }
    });
  }

  disk(slow: SlowDisk): void {
    this.#disk = slow;
    if (this.#child?.connected) this.#child.send(slow);
  }

  /** A gate that runs looks at it within a second; half of a file it never sees. */
  configure(settings: string): void {
    const file = join(this.directory, 'gate.yaml');
    writeFileSync(`${file}.next`, settings, { mode: 0o600 });
    renameSync(`${file}.next`, file);
  }

  pause(): void {
    standStill(this.#child?.pid);
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** As an operator would: what is under way is ended first. */
  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    child.kill('SIGCONT');
    await ended;
  }
}
