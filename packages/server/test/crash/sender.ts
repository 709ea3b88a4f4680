/** A device of the crash run, seen from outside: its process, and each reading that was said to be durable. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import type { Row, Violation } from '../torture/history.ts';
import type { Victim } from './victims.ts';

const program = join(import.meta.dirname, 'sending-process.ts');
const Left = z.strictObject({ kept: z.int(), damaged: z.int() });

interface SenderParts {
  name: string;
  directory: string;
  gate: { name: string; url: string };
  restMs: number;
  /** Makes ids unlike those of other runs. */
  label: string;
}

export class Sender implements Victim {
  readonly name: string;
  readonly kind = 'device';
  /** No gate waits for it. */
  readonly ofGate: string;
  readonly lifeMsMax = 4_000;
  /** By their ids. */
  readonly said: string[] = [];
  readonly #parts: SenderParts;
  #left: z.infer<typeof Left> | undefined;
  #child: ChildProcess | undefined;
  #lives = 0;

  constructor(parts: SenderParts) {
    this.name = this.ofGate = parts.name;
    this.#parts = parts;
  }

  /** Serves with the first reading that is on its disk. */
  async start(): Promise<void> {
    const { label, restMs, name } = this.#parts;
    const child = this.#spawn(`${label}-${name}-${++this.#lives}`, String(restMs));
    await new Promise<void>((resolve, reject) => {
      createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (id) => {
        this.said.push(id);
        resolve();
      });
      child.once('close', (status, signal) => reject(new Error(`${name} ended with ${status ?? signal}`)));
    });
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child) return;
    // What it said before is read to its end, or it would not be held to it.
    const closed = child.stdout?.closed ? undefined : once(child, 'close');
    child.kill('SIGKILL');
    await closed;
  }

  /** Its last start puts nothing, and ends when everything is acknowledged. */
  async drain(): Promise<void> {
    await this.kill();
    const child = this.#spawn();
    const closed = once(child, 'close');
    for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream }))
      this.#left = Left.parse(JSON.parse(line));
    await closed;
  }

  /** All that was said to be durable is readable at its gate; that nothing is there twice is looked at for all gates together. */
  violations(rows: readonly Row[]): Violation[] {
    const { name, gate } = this.#parts;
    const readable = new Set(
      rows.filter((row) => row.gate === gate.name && row.subject === name && row.readable).map(({ id }) => id),
    );
    const lost = this.said.filter((id) => !readable.has(id));
    const left = this.#left;
    return [
      ...lost.map((id): Violation => ({ promise: 'P8', what: 'said to be durable, and not readable', detail: id })),
      ...(left?.kept === 0 && left.damaged === 0
        ? []
        : [
            { promise: 'P8', what: 'an outbox that does not empty, or is damaged', detail: { name, ...left } } as const,
          ]),
    ];
  }

  #spawn(...words: string[]): ChildProcess {
    const { directory, gate } = this.#parts;
    const options = ['--conditions=portcullis-source', '--no-warnings', program, directory, gate.url];
    const child = spawn(process.execPath, [...options, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child = child;
    return child;
  }
}
