/** The thread that evaluates one selection on a connection of its own, so that nobody waits for an expression that somebody wrote. */
import assert from 'node:assert/strict';
import { parentPort, workerData } from 'node:worker_threads';
import { PortcullisError, type SelectionLine } from '@portcullis/contract';
import { readStore, type StorePlace } from '../storage/storage.ts';
import { isBetween } from './merge.ts';
import { selectorOf, selectSubjects } from './selecting.ts';

const port = parentPort;
assert(port !== null, 'this file is run as a worker');
const { place, where, declared } = workerData as Asked;

export interface Asked {
  place: StorePlace;
  where: string;
  /** Names of attributes that have a type, used or not. */
  declared: readonly string[];
}

/** `between`: a bulk change is on its way into the rows; ask again. */
export type Told = SelectionLine | { type: 'between' };

const tell = (line: Told) => port.postMessage(line);
try {
  const selector = selectorOf(where);
  await readStore(place).snapshot(async (db) => {
    if (await isBetween(db)) tell({ type: 'between' });
    else await selectSubjects(db, { selector, declared }, tell);
  });
} catch (error) {
  const code = error instanceof PortcullisError ? error.code : 'internal';
  tell({ type: 'failed', code, detail: (error as Error).message });
}
