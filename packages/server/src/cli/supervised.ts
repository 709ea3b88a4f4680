import { type ChildProcess, fork } from 'node:child_process';
import { PortcullisError } from '@portcullis/contract';
import type { Output } from './output.ts';
import { launcher, nodeOptions, type Role } from './processes.ts';
import type { Ready } from './start.ts';

const firstPauseMs = 1_000;
const longestPauseMs = 30_000;
/** Whoever ran for so long starts with the shortest pause again. */
const steadyMs = 60_000;
const killAfterMs = 2_000;

/** A child process that is started again when it dies: after a second, then twice as long each time, up to half a minute. */
export class Supervised {
  /** Resolves when it listens for the first time; rejects when it fails before that. */
  readonly firstReady: Promise<void>;
  readonly #role: Role;
  readonly #directory: string;
  readonly #output: Output;
  #child: ChildProcess | undefined;
  #pauseMs = firstPauseMs;
  #timer: NodeJS.Timeout | undefined;
  #stopping = false;
  #wasReady = false;
  #ready: () => void = () => undefined;
  #failed: (error: Error) => void = () => undefined;

  constructor(role: Role, directory: string, output: Output) {
    this.#role = role;
    this.#directory = directory;
    this.#output = output;
    this.firstReady = new Promise((resolve, reject) => {
      this.#ready = resolve;
      this.#failed = reject;
    });
    this.firstReady.catch(() => undefined);
    this.#start();
  }

  #start(): void {
    const child = fork(launcher, ['start', this.#role, this.#directory], {
      execArgv: [...nodeOptions],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      // A Ctrl-C is for the parent, which ends the children in their order.
      detached: true,
    });
    this.#child = child;
    const steady = setTimeout(() => {
      this.#pauseMs = firstPauseMs;
    }, steadyMs).unref();
    child.on('message', (message) => this.#listens(message as Ready));
    child.on('exit', (code, signal) => {
      clearTimeout(steady);
      if (!this.#stopping) this.#died(signal ?? `exit status ${code}`);
    });
  }

  #listens(ready: Ready): void {
    this.#output.result(ready, `${ready.role} listening on ${ready.listening.join(' and ')}`);
    this.#wasReady = true;
    this.#ready();
  }

  #died(how: string): void {
    if (!this.#wasReady) {
      this.#failed(
        new PortcullisError('internal', `the ${this.#role} ended before it listened (${how}); it said why above`),
      );
      return;
    }
    this.#output.notice(`portcullis: the ${this.#role} ended (${how}); starting it again in ${this.#pauseMs / 1000} s`);
    this.#timer = setTimeout(() => this.#start(), this.#pauseMs);
    this.#pauseMs = Math.min(longestPauseMs, this.#pauseMs * 2);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), killAfterMs).unref();
    });
  }
}
