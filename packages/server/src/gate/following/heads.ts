import { existsSync } from 'node:fs';
import { readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { HeldHead } from '@portcullis/contract';
import { appendTo, type Log, putInPlace, timestamp } from '../../telemetry/telemetry.ts';

interface Parts {
  directory: string;
  /** What this gate has applied last, while it follows. */
  applied(): { revision: number; hash: string } | undefined;
  now(): number;
  log: Log;
}

const everyMs = 3_600_000;
const lookMs = 60_000;
/** Half a year of hours. There is one full file at most beside the one that grows. */
const linesMax = 4_380;

const fileIn = (directory: string) => join(directory, 'heads.ndjson');
const fullFileIn = (directory: string) => join(directory, 'heads.1.ndjson');

/**
 * Where the fleet's history stood, each hour, as this gate saw it: who rewrites the journal can not rewrite this (P12). Lines are only
 * appended, and are on disk before the next; a crash leaves half a line, which goes before anything is appended to it.
 */
export class Heads {
  readonly #parts: Parts;
  #last: HeldHead | undefined;
  #lines = 0;
  #opened = false;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  start(): void {
    this.#timer = setInterval(() => this.#lookNow(), lookMs).unref();
    this.#lookNow();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  /** Those that are kept, the oldest first. */
  async kept(): Promise<HeldHead[]> {
    const { directory } = this.#parts;
    return [...(await headsIn(fullFileIn(directory))), ...(await headsIn(fileIn(directory)))];
  }

  #lookNow(): void {
    this.#looking = this.#looking
      .then(() => this.look())
      .catch((error: unknown) => this.#parts.log.warn({ err: error }, "couldn't keep a head of the fleet's history"));
  }

  /** Keeps one if it is due: an hour after the last, and not the same again. */
  async look(): Promise<void> {
    const { applied, now } = this.#parts;
    if (!this.#opened) await this.#open();
    const head = applied();
    if (!head || head.hash === this.#last?.hash) return;
    // A clock that was set back keeps one too many, and not none.
    if (this.#last && Math.abs(now() - Date.parse(this.#last.time)) < everyMs) return;
    await this.#append({ revision: head.revision, hash: head.hash, time: timestamp(now()) });
  }

  async #open(): Promise<void> {
    const heads = await openedIn(fileIn(this.#parts.directory));
    [this.#last, this.#lines] = [heads.at(-1), heads.length];
    this.#opened = true;
  }

  async #append(head: HeldHead): Promise<void> {
    const { directory } = this.#parts;
    const file = fileIn(directory);
    if (this.#lines >= linesMax) {
      await putInPlace(file, fullFileIn(directory));
      this.#lines = 0;
    }
    // What comes after a write that failed looks first what it left.
    this.#opened = false;
    await appendTo(file, `${JSON.stringify(head)}\n`);
    this.#opened = true;
    this.#last = head;
    this.#lines++;
  }
}

/** Half a line goes: what is appended next is one of its own. */
async function openedIn(file: string): Promise<HeldHead[]> {
  if (!existsSync(file)) return [];
  const bytes = await readFile(file);
  await truncate(file, bytes.lastIndexOf(10) + 1);
  return parsed(bytes.toString('utf8'));
}

async function headsIn(file: string): Promise<HeldHead[]> {
  return existsSync(file) ? parsed(await readFile(file, 'utf8')) : [];
}

/** What is no head is left out: half a line, or what somebody else wrote there. */
function parsed(text: string): HeldHead[] {
  return text.split('\n').flatMap((line) => {
    try {
      return [HeldHead.parse(JSON.parse(line))];
    } catch {
      return [];
    }
  });
}

/**
 * The history was restored on purpose: the heads of the other one are kept beside, and served no more. `last`: the one that this gate saw last,
 * which may be the only one that proves what was lost. A crash before its position is forgotten keeps that one once more.
 */
export async function setHeadsAside(directory: string, last: HeldHead | undefined): Promise<void> {
  const file = fileIn(directory);
  if (last && last.revision > 0 && (await openedIn(file)).at(-1)?.hash !== last.hash)
    await appendTo(file, `${JSON.stringify(last)}\n`);
  for (const kept of [fullFileIn(directory), file]) {
    if (existsSync(kept)) await putInPlace(kept, freeNameFor(kept));
  }
}

function freeNameFor(file: string): string {
  for (let count = 1; ; count++) {
    const name = file.replace(/ndjson$/, `before-restore-${count}.ndjson`);
    if (!existsSync(name)) return name;
  }
}
