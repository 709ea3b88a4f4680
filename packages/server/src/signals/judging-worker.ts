/** The thread that evaluates what follows from alerts, so that nobody waits for an expression that somebody wrote. */

import assert from 'node:assert/strict';
import { parentPort, workerData } from 'node:worker_threads';
import { type AlertFacts, compileSignals, type Judged, judgeOne } from './judge.ts';
import type { ReactionsBySource } from './promises.ts';

export interface Asked {
  id: number;
  source: string;
  alerts: AlertFacts[];
}

export interface Told {
  id: number;
  judged: Judged[];
}

const port = parentPort;
assert(port !== null, 'this file is run as a worker');
const judges = compileSignals(workerData as ReactionsBySource);

port.on('message', ({ id, source, alerts }: Asked) => {
  const judge = judges.get(source);
  assert(judge !== undefined, 'the source is one of those that the thread was started with');
  port.postMessage({ id, judged: alerts.map((alert) => judgeOne(judge, alert)) } satisfies Told);
});
