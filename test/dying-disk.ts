/**
 * A disk under the code of this process on which each step of a write may be the last one: the process is killed before it, or in the middle of
 * the bytes; or the step fails once; or there is no space from then on. What is "killed" does nothing to the disk any more, also not in
 * the clean-up that a real kill would leave out. What was done before stays, as the kernel keeps it. (Whether it was on the disk itself, for a
 * power cut, is in the order of syncs: `durable-file.test.ts`.)
 */
import assert from 'node:assert/strict';
import files, { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import promised, { type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const faults = ['killed', 'killed in the middle', 'failed', 'full'] as const;
export type Fault = (typeof faults)[number];

type Work = (...given: never[]) => unknown;
/** `write`: bytes, of which a half may come through; `take`: needs space; `give`: needs none. */
type Kind = 'write' | 'take' | 'give';

const syncSteps: Record<string, Kind> = {
  writeFileSync: 'write',
  writeSync: 'write',
  mkdirSync: 'take',
  fsyncSync: 'give',
  fdatasyncSync: 'give',
  renameSync: 'give',
  rmSync: 'give',
  rmdirSync: 'give',
  ftruncateSync: 'give',
};
const promisedSteps: Record<string, Kind> = {
  link: 'take',
  symlink: 'take',
  mkdir: 'take',
  rename: 'give',
  unlink: 'give',
  rm: 'give',
  truncate: 'give',
};
const handleSteps: Record<string, Kind> = { writeFile: 'write', write: 'write', sync: 'give', datasync: 'give' };

class Killed extends Error {}

const failure = (code: 'EIO' | 'ENOSPC') => Object.assign(new Error(`${code}: the disk of this test`), { code });
const creates = (flags: unknown) => typeof flags === 'string' && /^[wa]/.test(flags);

class DyingDisk {
  steps = 0;
  readonly #fault: Fault | undefined;
  readonly #at: number;
  #dead = false;
  /** What Node's own functions call of each other are no steps. */
  #within = false;

  constructor(fault: Fault | undefined, at: number) {
    this.#fault = fault;
    this.#at = at;
  }

  /** `half`: does what a write does with the first half of its bytes. */
  step(kind: Kind, whole: () => unknown, half?: () => unknown): unknown {
    if (this.#within) return whole();
    const isIt = this.steps++ === this.#at;
    if (this.#dead) throw new Killed();
    if (this.#fault === 'full' && this.steps > this.#at && kind !== 'give') return this.#after(half, failure('ENOSPC'));
    if (!isIt) return this.#inside(whole);
    if (this.#fault === 'failed') return this.#after(half, failure('EIO'));
    if (this.#fault === 'full' || this.#fault === undefined) return this.#inside(whole);
    this.#dead = true;
    return this.#after(this.#fault === 'killed' ? undefined : half, new Killed());
  }

  #inside(work: () => unknown): unknown {
    this.#within = true;
    try {
      return work();
    } finally {
      this.#within = false;
    }
  }

  #after(half: (() => unknown) | undefined, error: Error): unknown {
    const done = half && this.#inside(half);
    if (done instanceof Promise)
      return done.then(() => {
        throw error;
      });
    throw error;
  }
}

/** The first half of what is written, in the arguments' own form. */
function halved(name: string, given: unknown[]): unknown[] {
  if (name === 'writeSync' || name === 'write') {
    const [bytes, offset = 0, length = (bytes as Buffer).length - Number(offset), ...rest] =
      name === 'write' ? given : given.slice(1);
    const part = [bytes, offset, Math.floor(Number(length) / 2), ...rest];
    return name === 'write' ? part : [given[0], ...part];
  }
  const at = name === 'writeFileSync' ? 1 : 0;
  const bytes = Buffer.from(given[at] as string);
  return given.with(at, bytes.subarray(0, Math.floor(bytes.length / 2)));
}

function stepping(disk: DyingDisk, name: string, kind: Kind, work: Work): Work {
  return function (this: unknown, ...given: unknown[]) {
    const call = (words: unknown[]) => () => (work as (...all: unknown[]) => unknown).apply(this, words);
    return disk.step(kind, call(given), kind === 'write' ? call(halved(name, given)) : undefined);
  };
}

function patched(target: object, steps: Record<string, Kind>, disk: DyingDisk): () => void {
  const functions = target as Record<string, Work>;
  const before = Object.keys(steps).map((name) => [name, functions[name] as Work] as const);
  for (const [name, work] of before) functions[name] = stepping(disk, name, steps[name] as Kind, work);
  return () => {
    for (const [name, work] of before) functions[name] = work;
  };
}

/** Opening is a step where it makes the file. */
function patchedOpening(disk: DyingDisk): () => void {
  const { openSync } = files;
  const { open } = promised;
  files.openSync = (path, flags, mode) =>
    creates(flags) ? (disk.step('take', () => openSync(path, flags, mode)) as number) : openSync(path, flags, mode);
  promised.open = async (path, flags, mode) => {
    const opening = () => open(path, flags, mode);
    const handle = (await (creates(flags) ? disk.step('take', opening) : opening())) as FileHandle;
    patched(handle, handleSteps, disk);
    return handle;
  };
  return () => {
    files.openSync = openSync;
    promised.open = open;
  };
}

interface Done {
  steps: number;
  /** What it threw; a kill is told by nothing else. */
  error?: unknown;
}

async function onDisk(fault: Fault | undefined, at: number, work: () => unknown): Promise<Done> {
  const disk = new DyingDisk(fault, at);
  const restore = [patched(files, syncSteps, disk), patched(promised, promisedSteps, disk), patchedOpening(disk)];
  syncBuiltinESMExports();
  try {
    await work();
    return { steps: disk.steps };
  } catch (error) {
    return { steps: disk.steps, error };
  } finally {
    for (const undo of restore) undo();
    syncBuiltinESMExports();
  }
}

/** A durable write of the product, with what reads it back: as the product does at its next start. */
export interface SmallWrite<Writer> {
  /** What is there before. */
  prepare?(directory: string): unknown;
  /** What writes: the same one after a write that failed, another one after a kill. */
  open(directory: string): Writer;
  write(writer: Writer): unknown;
  /** What is found, in words that are the same for the same state. Throws where the product would not start. */
  read(directory: string): unknown;
  /** Found besides what was there before and after, where a crash may leave more than these. */
  between?: readonly unknown[];
  /** It goes on where the disk does not take it, and says so in its log: a later write brings it. */
  isSurvived?: boolean;
  /** What of a file's name is the same for the same content. */
  named?(name: string): string;
  /** Names of what stays beside, and nobody takes for anything else than it is. */
  leaves?: RegExp;
  /** The same of a kill alone. */
  killLeaves?: RegExp;
}

/**
 * Does the write once for each of its steps and each fault. Whatever happened, what is read is what was there before or what was written, the
 * latter wherever it was said to be done; the same write, made again, brings it; and nothing is left beside.
 */
export async function holdAtEachStep<Writer>(held: SmallWrite<Writer>): Promise<number> {
  const { open, write, read, between = [], isSurvived, named = (name: string) => name, leaves, killLeaves } = held;
  const { before, after, steps, names } = await withoutFault(held);
  assert.ok(steps > 0, 'it writes something');
  assert.notDeepEqual(before, after, 'what it writes can be told from what was there');
  for (const fault of faults)
    for (let at = 0; at < steps; at++)
      await inFresh(held, async (directory) => {
        const where = `${fault} at step ${at + 1} of ${steps}`;
        const writer = open(directory);
        const { error } = await onDisk(fault, at, () => write(writer));
        const isDone = error === undefined && !isSurvived;
        requireOneOf(await read(directory), isDone ? [after] : [before, after, ...between], where);
        const isKilled = fault === 'killed' || fault === 'killed in the middle';
        await write(isKilled ? open(directory) : writer);
        assert.deepEqual(await read(directory), after, `written again after it was ${where}`);
        const mayStay = (name: string) => leaves?.test(name) || (isKilled && killLeaves?.test(name));
        const left = namesIn(directory).filter((name) => names.includes(name) || !mayStay(name));
        assert.deepEqual(left.map(named), names.map(named), `left beside after it was ${where}`);
      });
  return steps * faults.length;
}

async function inFresh<Result>(
  { prepare }: Pick<SmallWrite<unknown>, 'prepare'>,
  work: (directory: string) => Promise<Result>,
): Promise<Result> {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-dying-disk-'));
  try {
    await prepare?.(directory);
    return await work(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function withoutFault<Writer>({ open, write, read, ...held }: SmallWrite<Writer>) {
  const before = await inFresh(held, async (directory) => read(directory));
  return inFresh(held, async (directory) => {
    const writer = open(directory);
    const { steps, error } = await onDisk(undefined, 0, () => write(writer));
    if (error) throw error;
    return { before, steps, after: await read(directory), names: namesIn(directory) };
  });
}

function requireOneOf(found: unknown, allowed: unknown[], where: string): void {
  for (const one of allowed) {
    try {
      assert.deepEqual(found, one);
      return;
    } catch {
      // Perhaps another one of them.
    }
  }
  assert.fail(`${where}: found ${JSON.stringify(found)}, and not one of ${JSON.stringify(allowed)}`);
}

const namesIn = (directory: string) => (readdirSync(directory, { recursive: true }) as string[]).toSorted();
