import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { type FailureCode, PortcullisError } from '@portcullis/contract';
import { Lines } from '../outbox/lines.ts';
import type { Written } from '../outbox/reading.ts';
import { socketFileIn, withAddress } from './address.ts';
import type { Account, Destination } from './destination.ts';

interface Waiting {
  resolve(answer: Record<string, unknown>): void;
  reject(error: Error): void;
}

/** Hands readings to the process that holds the directory. */
export class OtherProcess implements Destination {
  readonly #stream: string;
  readonly #directory: string;
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  #hasPut = false;

  private constructor(directory: string, stream: string, socket: Socket) {
    this.#directory = directory;
    this.#stream = stream;
    this.#socket = socket;
    socket.on('error', () => undefined);
    void this.#read();
  }

  /** Undefined: nobody listens there. */
  static async connect(directory: string, stream: string): Promise<OtherProcess | undefined> {
    if (!existsSync(socketFileIn(directory))) return undefined;
    const socket = withAddress(directory, (address) => connect(address));
    try {
      await once(socket, 'connect');
    } catch {
      return undefined;
    }
    return new OtherProcess(directory, stream, socket);
  }

  async put(readings: Written[]): Promise<{ taken: number; refusal?: Error }> {
    const puts = await Promise.allSettled(readings.map((written) => this.#ask({ line: lineFor(written) })));
    const failed = puts.findIndex(({ status }) => status === 'rejected');
    const taken = failed === -1 ? puts.length : failed;
    if (taken > 0) this.#hasPut = true;
    const refusal = (puts[failed] as PromiseRejectedResult | undefined)?.reason as Error | undefined;
    return { taken, ...(refusal && { refusal }) };
  }

  async settle(signal: AbortSignal): Promise<Account> {
    for (;;) {
      const now = await this.#account(signal.aborted ? 0 : settleMs);
      if (signal.aborted || (this.#hasPut ? now.mine.kept : now.kept) === 0) return now;
    }
  }

  account(): Promise<Account> {
    return this.#account(0);
  }

  async retry(): Promise<void> {
    await this.#ask({ waitMs: 0, retry: true });
  }

  close(): Promise<void> {
    this.#socket.destroy();
    return Promise.resolve();
  }

  async #account(waitMs: number): Promise<Account> {
    const answer = await this.#ask({ waitMs });
    if (typeof answer.kept === 'number' && typeof answer.mine === 'object') return answer as unknown as Account;
    throw new PortcullisError('answer_malformed', `"${socketFileIn(this.#directory)}" gave no account`);
  }

  /** Requests that are made together travel together. */
  #ask(request: { line: string } | { waitMs: number; retry?: true }): Promise<Record<string, unknown>> {
    if (this.#socket.destroyed) return Promise.reject(this.#gone());
    if (!this.#socket.writableCorked) {
      this.#socket.cork();
      process.nextTick(() => this.#socket.uncork());
    }
    this.#socket.write(`${JSON.stringify({ stream: this.#stream, ...request })}\n`);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  async #read(): Promise<void> {
    try {
      for await (const { lines } of new Lines().of(this.#socket)) {
        for (const { bytes } of lines) settleOne(this.#waiting.shift(), bytes.toString());
      }
    } catch {
      // Told to all that wait.
    }
    this.#socket.destroy();
    for (const { reject } of this.#waiting.splice(0)) reject(this.#gone());
  }

  #gone(): PortcullisError {
    return new PortcullisError('server_unreachable', `the process that holds "${this.#directory}" has gone`);
  }
}

/** An interrupted command ends within that. */
const settleMs = 200;

function lineFor({ text, given }: Written): string {
  const named = Object.entries(given).filter(([, value]) => value !== undefined);
  const own = [
    ...named.map(([name, value]) => `"_${name}":${JSON.stringify(value)}`),
    ...(text === '{}' ? [] : [text.slice(1, -1)]),
  ];
  return `{${own.join(',')}}`;
}

function settleOne(waiting: Waiting | undefined, text: string): void {
  try {
    const answer = JSON.parse(text) as Record<string, unknown>;
    if (answer.error === undefined) waiting?.resolve(answer);
    else waiting?.reject(new PortcullisError(answer.error as FailureCode, String(answer.message)));
  } catch (cause) {
    waiting?.reject(new PortcullisError('answer_malformed', 'the answer is not JSON', { cause }));
  }
}
