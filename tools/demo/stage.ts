/** What a story is told on: a folder of its own, a fleet in it, the processes that it started, and the lines that say what was seen. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { freeBasePort, type Launch, type Program, printed, Running, succeeded } from '../commands.ts';
import { within } from '../within.ts';

export function must(condition: boolean, words: string): void {
  if (!condition) throw new Error(`not seen: ${words}`);
}

export class Stage {
  readonly home = mkdtempSync(join(tmpdir(), 'portcullis-demo-'));
  readonly fleet = join(this.home, 'fleet');
  readonly #started = performance.now();
  readonly #house: { stop(): Promise<void> }[] = [];

  seen(words: string): void {
    const seconds = ((performance.now() - this.#started) / 1000).toFixed(1).padStart(5);
    process.stdout.write(`${seconds} s  ${words}\n`);
  }

  file(name: string): string {
    return join(this.home, name);
  }

  /** A file below the folder, and the folders on the way to it. */
  write(name: string, text: string): void {
    mkdirSync(dirname(this.file(name)), { recursive: true });
    writeFileSync(this.file(name), text);
  }

  /** It is stopped when the story ends, the last one first. */
  keep<Kept extends { stop(): Promise<void> }>(one: Kept): Kept {
    this.#house.push(one);
    return one;
  }

  start(program: Program | Launch, ...words: string[]): Running {
    return this.keep(new Running(program, ...words));
  }

  /** Authority, gate and desk of a new fleet. `prepare`: what its files are to say before they start. */
  async house(
    prepare: (basePort: number) => Promise<void> | void = () => undefined,
  ): Promise<{ basePort: number; up: Running }> {
    const basePort = await freeBasePort();
    await within('init', this.fleet, '--base-port', String(basePort));
    await prepare(basePort);
    const up = this.start('portcullis', 'up', this.fleet);
    await Promise.all(['authority', 'gate', 'desk'].map((role) => up.line(new RegExp(`^${role} listening`))));
    this.seen(`a fleet is made; its authority, gate and desk listen on ports from ${basePort}`);
    return { basePort, up };
  }

  /** A subject that makes its key in a folder of its own, and has a certificate then. */
  async enrol(subject: string, ...words: string[]): Promise<string> {
    const directory = this.file(subject);
    const token = await this.portcullis('token', 'create', subject, ...words);
    await succeeded('portcullis-device', 'enrol', token, '--device', directory);
    return directory;
  }

  portcullis(...words: string[]): Promise<string> {
    return within(...words, '--fleet', this.fleet);
  }

  /** What a command prints, where that is no text. */
  bytes(...words: string[]): Promise<Buffer> {
    return printed('portcullis', ...words);
  }

  async told<Answer>(...words: string[]): Promise<Answer> {
    return JSON.parse(await this.portcullis(...words, '--json')) as Answer;
  }

  async cleanUp(): Promise<void> {
    for (const one of this.#house.toReversed()) await one.stop();
    rmSync(this.home, { recursive: true, force: true });
  }
}
