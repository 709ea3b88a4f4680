import { existsSync, readdirSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { PortcullisError } from '@portcullis/contract';
import { diskFailure, makeDirectory, removeDirectories } from '@portcullis/device';
import { putInPlace } from '../telemetry/telemetry.ts';
import { stopSignals } from './processes.ts';

/** @throws {PortcullisError} `fleet_exists` */
export function requireEmpty(directory: string): void {
  const found = statSync(directory, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isDirectory())
    throw new PortcullisError('fleet_exists', `"${directory}" is a file; choose another directory`);
  if (readdirSync(directory).length === 0) return;
  throw new PortcullisError('fleet_exists', `"${directory}" is not empty; choose another directory`);
}

/** So long what is under way on the disk may take to end. */
const lastWorkMs = 2_000;

/**
 * Made beside and put in its place as a whole: nothing half-made stands where a fleet should be, and what fails, or is interrupted,
 * leaves nothing behind. (What a kill leaves is named for what it is: `DIR.new-PID`.)
 */
export async function makeWhole(directory: string, make: (beside: string) => Promise<void>): Promise<void> {
  const place = resolve(directory);
  const beside = `${place}.new-${process.pid}`;
  const above = makeDirectory(dirname(place));
  const removeBeside = () => existsSync(beside) && rmSync(beside, { recursive: true });
  const remove = () => {
    removeBeside();
    removeDirectories(above);
  };
  let isInterrupted = false;
  const made = Promise.withResolvers<void>();
  const interrupted = () => {
    isInterrupted = true;
    // A file that is being made now would be there after all was removed.
    void Promise.race([made.promise, after(lastWorkMs)]).finally(() => {
      remove();
      process.exit(1);
    });
  };
  for (const signal of stopSignals) process.once(signal, interrupted);
  try {
    // Of one that was killed and had the same number, as the first process of a container has each time.
    removeBeside();
    await make(beside).finally(made.resolve);
    if (isInterrupted) await new Promise(() => undefined);
    if (existsSync(place)) rmdirSync(place);
    await putInPlace(beside, place);
  } catch (error) {
    remove();
    throw inItsOwnName(error, directory);
  } finally {
    for (const signal of stopSignals) process.removeListener(signal, interrupted);
  }
}

/** What the disk said of the name beside is said of the one that was asked for. */
function inItsOwnName(error: unknown, directory: string): unknown {
  const cause = error instanceof PortcullisError && error.code === 'directory_unusable' ? error.cause : error;
  return diskFailure(cause, directory);
}
