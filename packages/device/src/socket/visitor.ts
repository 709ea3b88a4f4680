import { isUtf8 } from 'node:buffer';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { PortcullisError } from '@portcullis/contract';
import { type Line, Lines } from '../outbox/lines.ts';
import { parseLine } from '../outbox/reading.ts';
import type { Device } from '../sending-device.ts';
import { timerMsMax } from '../system.ts';
import { type Account, HeldDevice } from './destination.ts';

export type Answer = { kept: true } | Account | { error: string; message: string };

interface Request {
  stream: string;
  line?: string;
  waitMs?: number;
  retry?: boolean;
}

const streamsMax = 64;
const unreadMsMax = 30_000;

/** One connection of another process: a request a line, an answer a line, in their order. What it sends is hostile until it is parsed. */
export class Visitor {
  readonly #device: Device;
  readonly #socket: Socket;
  readonly #abort = new AbortController();
  readonly #streams = new Map<string, HeldDevice>();

  constructor(device: Device, socket: Socket) {
    this.#device = device;
    this.#socket = socket;
  }

  /** Resolves when the connection has ended. Requests that come together become durable together. */
  async serve(): Promise<void> {
    this.#socket.on('error', () => undefined).once('close', () => this.end());
    try {
      for await (const { lines } of new Lines().of(this.#socket)) {
        const answers: Promise<Answer>[] = [];
        for (const [index, line] of lines.entries()) {
          answers.push(this.#answer(line, () => Promise.all(answers.slice(0, index))));
        }
        const told = (await Promise.all(answers)).map((answer) => `${JSON.stringify(answer)}\n`);
        await this.#write(told.join(''));
      }
    } catch {
      // The other side went, or reads no answers: what it was told of is durable, the rest it may send again.
    } finally {
      this.end();
      for (const stream of this.#streams.values()) await stream.close();
    }
  }

  end(): void {
    this.#abort.abort();
    this.#socket.destroy();
  }

  /** An account is one of everything that was asked before it. */
  async #answer(line: Line, earlier: () => Promise<unknown>): Promise<Answer> {
    try {
      const { stream, line: text, waitMs, retry } = parseRequest(line);
      const destination = this.#destination(stream);
      if (retry) await destination.retry();
      if (text === undefined) {
        await earlier();
        return await destination.settle(this.#until(waitMs ?? 0));
      }
      const { refusal } = await destination.put([parseLine(text)]);
      if (refusal) throw refusal;
      return { kept: true };
    } catch (error) {
      const code = error instanceof PortcullisError ? error.code : 'internal';
      return { error: code, message: (error as Error).message };
    }
  }

  #destination(stream: string): HeldDevice {
    const known = this.#streams.get(stream);
    if (known) return known;
    if (this.#streams.size >= streamsMax) {
      throw new PortcullisError('usage', `a connection is for at most ${streamsMax} streams`);
    }
    const made = new HeldDevice(this.#device, stream);
    this.#streams.set(stream, made);
    return made;
  }

  #until(waitMs: number): AbortSignal {
    return AbortSignal.any([this.#abort.signal, AbortSignal.timeout(waitMs)]);
  }

  async #write(text: string): Promise<void> {
    if (this.#socket.write(text)) return;
    await once(this.#socket, 'drain', { signal: this.#until(unreadMsMax) });
  }
}

function parseRequest(line: Line): Request {
  const request = line.isCut || !isUtf8(line.bytes) ? undefined : objectIn(line.bytes.toString());
  const { stream, line: text, waitMs, retry } = request ?? {};
  const hasLine = typeof text === 'string' && waitMs === undefined;
  const hasWait = typeof waitMs === 'number' && waitMs >= 0 && waitMs <= timerMsMax && text === undefined;
  if (typeof stream === 'string' && hasLine) return { stream, line: text };
  if (typeof stream === 'string' && hasWait) return { stream, waitMs, retry: retry === true };
  const message = `a request is one line, {"stream":"…","line":"…"} or {"stream":"…","waitMs":0 to ${timerMsMax}}`;
  throw new PortcullisError('usage', message);
}

function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
