import { closeSync, fstatSync, openSync, readFileSync, statSync } from 'node:fs';
import { PortcullisError } from '@portcullis/contract';

const fileBytesMax = 64 * 1024;
/** The owner's alone: who reads a key can sign. */
const othersMode = 0o077;
/** A file that took the place of another is seen after so long. */
const lookEveryMs = 1_000;

interface Parts<Secret> {
  file: string;
  /** Undefined: the line is none. */
  read(line: string): Secret | undefined;
  /** What a line must be. */
  must: string;
  monotonic(): number;
}

/** The secrets of a file, one a line: while one takes the place of another both are there. A file that is replaced counts within a second. */
export class SecretLines<Secret> {
  readonly #parts: Parts<Secret>;
  #held: { secrets: readonly Secret[]; state: string };
  #lookedAt: number;

  /** @throws {PortcullisError} `config_invalid` */
  constructor(parts: Parts<Secret>) {
    this.#parts = parts;
    this.#lookedAt = parts.monotonic();
    this.#held = this.#read();
  }

  /** What was there last and could be read: a file that is half written cuts nobody off. */
  get secrets(): readonly Secret[] {
    const now = this.#parts.monotonic();
    if (now - this.#lookedAt < lookEveryMs) return this.#held.secrets;
    this.#lookedAt = now;
    try {
      if (stateOf(this.#parts.file) !== this.#held.state) this.#held = this.#read();
    } catch {
      // Whoever replaces it by hand may take a moment; the next look is a second away.
    }
    return this.#held.secrets;
  }

  #read(): { secrets: Secret[]; state: string } {
    const { file, read, must } = this.#parts;
    const state = stateOf(file);
    const secrets: Secret[] = [];
    for (const [index, line] of textOf(file).split('\n').entries()) {
      if (line.trim() === '') continue;
      const secret = read(line.trim());
      if (secret === undefined) throw unusable(`${file}:${index + 1}`, `must be ${must}`);
      secrets.push(secret);
    }
    if (secrets.length === 0) throw unusable(file, `it is empty; each of its lines must be ${must}`);
    return { secrets, state };
  }
}

function stateOf(file: string): string {
  try {
    const { ino, size, mtimeMs } = statSync(file);
    return [ino, size, mtimeMs].join(' ');
  } catch (cause) {
    throw unusable(file, `it can not be read (${(cause as NodeJS.ErrnoException).code})`, cause);
  }
}

function textOf(file: string): string {
  const descriptor = openSync(file, 'r');
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isFile() || stat.size > fileBytesMax)
      throw unusable(file, `must be a regular file of at most ${fileBytesMax} bytes`);
    if (process.platform !== 'win32' && (stat.mode & othersMode) !== 0)
      throw unusable(file, `has mode ${(stat.mode & 0o777).toString(8)}; it must be 600`);
    return readFileSync(descriptor, 'utf8');
  } finally {
    closeSync(descriptor);
  }
}

function unusable(file: string, why: string, cause?: unknown): PortcullisError {
  return new PortcullisError('config_invalid', `${file}: ${why}`, { cause });
}
