import cluster from 'node:cluster';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PortcullisError } from '@portcullis/contract';
import type { GateWorker } from '../assemble-gate.ts';
import { furtherWorkersIn, workerDirectory } from '../config/config.ts';
import type { Output } from './output.ts';
import { launcher, nodeOptions } from './processes.ts';
import type { Ready } from './start.ts';
import { Supervised } from './supervised.ts';

/** What a worker is told by its parent. */
const told = 'PORTCULLIS_GATE_WORKER';
/** A worker that has not ended by then is killed: before the parent itself would be. */
const stopMs = 4_200;

export interface Workers {
  /** Where the first one listens: all that the others do, and what has one listener. */
  listening: string[];
  close(): Promise<void>;
}

/** Which worker this process is; undefined: none. */
export function workerHere(): GateWorker | undefined {
  const text = process.env[told];
  if (text === undefined || !cluster.worker) return undefined;
  // A parent that is gone ends this one as a signal does, and not in the middle of what it does.
  cluster.worker.exitedAfterDisconnect = true;
  return JSON.parse(text) as GateWorker;
}

/**
 * What a worker left, the next one in its directory settles and tells; nobody else does.
 * @throws {PortcullisError} `config_invalid`
 */
export function requireNoFurtherWorkers(directory: string, count: number): void {
  const home = join(directory, 'gate');
  if (!existsSync(home)) return;
  const most = Math.max(0, ...furtherWorkersIn(home));
  if (most <= count) return;
  const words = `"${workerDirectory(home, most)}" is what a worker left that is not one of ${count}: start the gate with --workers ${most}, stop it, and then remove that directory`;
  throw new PortcullisError('config_invalid', words);
}

/**
 * A gate as several processes. This one takes connections and hands them over in turn, so that none is lost with a worker; it starts again
 * who ended, and decides nothing.
 */
export async function openWorkers(count: number, words: readonly string[], output: Output, signal: AbortSignal) {
  const sockets = mkdtempSync(join(tmpdir(), 'portcullis-gate-'));
  cluster.setupPrimary({
    exec: launcher,
    args: ['start', 'gate', ...words],
    execArgv: [...nodeOptions],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  cluster.schedulingPolicy = cluster.SCHED_RR;
  let listening: string[] = [];
  const workers = Array.from({ length: count }, (_, index) => {
    const worker: GateWorker = { number: index + 1, count, sockets };
    return new Supervised({
      role: `worker ${worker.number} of the gate`,
      launch: () => cluster.fork({ [told]: JSON.stringify(worker) }).process,
      listens: (ready: Ready) => {
        if (worker.number === 1) listening = ready.listening;
      },
      notice: (notice) => output.notice(notice),
    });
  });
  const close = async () => {
    const over = AbortSignal.timeout(stopMs);
    await Promise.all(workers.map((worker) => worker.stop(over)));
    rmSync(sockets, { recursive: true, force: true });
  };
  try {
    await Promise.race([Promise.all(workers.map(({ firstReady }) => firstReady)), aborted(signal)]);
  } catch (error) {
    await close();
    throw error;
  }
  return { listening, close } satisfies Workers;
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}
