/** The thread in which a sink's database lives: opened by the first call, then one call at a time, answered in order. */
import assert from 'node:assert/strict';
import { parentPort, workerData } from 'node:worker_threads';
import { PortcullisError } from '@portcullis/contract';
import { asFailure, migrate, openDatabase } from '../sqlite-database.ts';
import { SinkDatabase } from './sink-database.ts';
import { sinkMigrations } from './sink-schema.ts';

export interface Call {
  number: number;
  method:
    | 'lastBatch'
    | 'write'
    | 'mark'
    | 'unsettled'
    | 'settle'
    | 'unprovenCount'
    | 'untold'
    | 'told'
    | 'read'
    | 'keepRefusals'
    | 'refusals'
    | 'keepRefused'
    | 'refused'
    | 'missing'
    | 'oldestMissing'
    | 'age'
    | 'prune'
    | 'forget'
    | 'close';
  parameters: unknown[];
}
export type Answer = { number: number; result: unknown } | { number: number; code: string; message: string };

const port = parentPort;
assert(port !== null, 'this file is run as a worker');
const { file } = workerData as { file: string };

/** A larger file is not read through at the start: a gate listens soon, however much it has stored. */
const checkedBytesMax = 64 * 1024 * 1024;

function open(): SinkDatabase {
  migrate(file, sinkMigrations);
  return new SinkDatabase(openDatabase(file, 'write', { checkedBytesMax }));
}

function failureOf(number: number, error: unknown): Answer {
  try {
    return asFailure(error, file);
  } catch (failure) {
    const code = failure instanceof PortcullisError ? failure.code : 'internal';
    return { number, code, message: (failure as Error).message };
  }
}

let sink: SinkDatabase | undefined;
port.on('message', ({ number, method, parameters }: Call) => {
  let answer: Answer;
  try {
    if (method !== 'close') sink ??= open();
    const run = sink?.[method] as ((...values: unknown[]) => unknown) | undefined;
    answer = { number, result: run?.apply(sink, parameters) };
  } catch (error) {
    answer = failureOf(number, error);
  }
  port.postMessage(answer);
});
