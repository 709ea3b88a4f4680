import type { ChildProcess } from 'node:child_process';
import { type FailureCode, PortcullisError } from '@portcullis/contract';
import { type FromChild, question } from './channel.ts';
import { Pulse } from './pulse.ts';
import type { Ready } from './start.ts';

const firstPauseMs = 1_000;
const longestPauseMs = 30_000;
/** Whoever listened for so long starts with the shortest pause again. */
const steadyMs = 60_000;
/** Unanswered for half a minute: it is ended. Before it listens it may have a large store to read through: five minutes. */
const missedMax = { listening: 6, starting: 60 } as const;

export type Child = Pick<ChildProcess, 'pid' | 'exitCode' | 'signalCode' | 'kill' | 'on' | 'once' | 'send'>;

interface Parts {
  /** What it is called. */
  role: string;
  launch(): Child;
  listens(ready: Ready): void;
  /** Each end, and what follows. */
  notice(words: string): void;
}

/**
 * A child process that is started again when it ends, whatever the reason, and when it lives and does not answer: after a second,
 * then twice as long each time, up to half a minute. Only its first start is not repeated: what keeps it from listening then is
 * told to whoever waits for it.
 */
export class Supervised {
  /** Resolves when it listens for the first time; rejects when it ends before that. */
  readonly firstReady: Promise<void>;
  readonly #parts: Parts;
  #child: Child | undefined;
  #pauseMs = firstPauseMs;
  #timer: NodeJS.Timeout | undefined;
  #stopping = false;
  #wasReady = false;
  #ready: () => void = () => undefined;
  #failed: (error: Error) => void = () => undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.firstReady = new Promise((resolve, reject) => {
      this.#ready = resolve;
      this.#failed = reject;
    });
    this.firstReady.catch(() => undefined);
    this.#start();
  }

  #start(): void {
    const { role, launch, notice } = this.#parts;
    const child = launch();
    this.#child = child;
    const pulse = new Pulse({
      missedMax: missedMax.starting,
      ask: () => child.send(question, () => undefined),
      lost: () => {
        notice(`portcullis: the ${role} lives and does not answer; ending it`);
        child.kill('SIGKILL');
      },
    });
    let steady: NodeJS.Timeout | undefined;
    let failed: FailureCode | undefined;
    child.on('message', (message: FromChild) => {
      pulse.heard();
      if ('failed' in message) failed = message.failed;
      if (!('listens' in message)) return;
      pulse.expect(missedMax.listening);
      steady = setTimeout(() => this.#isSteady(), steadyMs).unref();
      this.#listens(message.listens);
    });
    const ended = (how: string) => {
      if (this.#child !== child) return;
      this.#child = undefined;
      clearTimeout(steady);
      pulse.stop();
      if (!this.#stopping) this.#ended(how, failed);
    };
    child.once('exit', (code, signal) => ended(failed ?? signal ?? `exit status ${code}`));
    child.on('error', (error) => {
      // Without an id the kernel gave no process; what else goes wrong between the two, the next look finds.
      if (child.pid === undefined) ended(error.message);
    });
  }

  #listens(ready: Ready): void {
    this.#parts.listens(ready);
    this.#wasReady = true;
    this.#ready();
  }

  #isSteady(): void {
    this.#pauseMs = firstPauseMs;
  }

  #ended(how: string, failed: FailureCode | undefined): void {
    const { role, notice } = this.#parts;
    if (!this.#wasReady) {
      const words = failed ? 'it said why above' : how;
      this.#failed(new PortcullisError(failed ?? 'internal', `the ${role} did not start: ${words}`));
      return;
    }
    notice(`portcullis: the ${role} ended (${how}); starting it again in ${this.#pauseMs / 1_000} s`);
    this.#timer = setTimeout(() => this.#start(), this.#pauseMs);
    this.#pauseMs = Math.min(longestPauseMs, this.#pauseMs * 2);
  }

  /** Told to end; one that has not ended when it is over is killed. */
  async stop(over: AbortSignal): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise<void>((resolve) => {
      const kill = () => void child.kill('SIGKILL');
      over.addEventListener('abort', kill, { once: true });
      child.once('exit', () => {
        over.removeEventListener('abort', kill);
        resolve();
      });
      child.kill(over.aborted ? 'SIGKILL' : 'SIGTERM');
    });
  }
}
