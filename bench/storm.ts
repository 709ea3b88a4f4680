/** All devices come back at once: what those wait for that were there, before, during and after; a bare `node:https` server in the same storm beside. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Row } from './bench.ts';
import { pin, quantile, rounded } from './measure.ts';
import { openStage, startBareServer } from './stage.ts';
import type { Asked, Told } from './storm-load.ts';

const [connected, everyMs] = [500, 2_000];
const [usual, inFull] = [2_000, 10_000];
const quietMs = 6_000;
/** Handshakes of those that are connected, and what a fresh process compiles. */
const warmMs = 5_000;
const share = 0.5;
const [server, load] = [0, 1];

type Times = Extract<Told, { milliseconds: number[] }>;
type Back = Extract<Told, { back: number }>;
const phases = ['before', 'during', 'after'] as const;
type Measured = Record<(typeof phases)[number], Times> & { back: Back };

class Side {
  readonly #process: ChildProcess;

  constructor() {
    this.#process = fork(join(import.meta.dirname, 'storm-load.ts'), {
      execArgv: ['--conditions=portcullis-source'],
    });
    pin(this.#process.pid, load);
  }

  async ask<Answer extends Told>(asked: Asked): Promise<Answer> {
    const told = once(this.#process, 'message');
    this.#process.send(asked);
    return (await told)[0] as Answer;
  }

  close(): void {
    this.#process.kill();
  }
}

async function measure(port: number, pem: string, devices: number, prefix: string): Promise<Measured> {
  const [there, coming] = [new Side(), new Side()];
  const times = () => there.ask<Times>({ report: true });
  try {
    await there.ask({ connected: { port, pem, devices: connected, everyMs, prefix: `${prefix}-there` } });
    await pause(warmMs);
    await times();
    await pause(quietMs);
    const before = await times();
    const back = await coming.ask<Back>({ storm: { port, pem, devices, prefix: `${prefix}-back` } });
    const during = await times();
    await pause(quietMs);
    return { before, during, after: await times(), back };
  } finally {
    there.close();
    coming.close();
  }
}

export async function benchStorm(words: string[]): Promise<Row[]> {
  if (availableParallelism() < 2) throw new Error('two processors are needed: one for the gate, one for who sends');
  const devices = words.includes('--full') ? inFull : usual;
  const stage = await openStage();
  try {
    pin(stage.gatePid, server);
    pin(stage.house.authority?.process.pid, load);
    pin(process.pid, load);
    const ours = await measure(stage.house.basePort + 3, stage.pem, devices, 'ours');
    const bare = await startBareServer(stage);
    pin(bare.child.pid, server);
    const peer = await measure(bare.port, stage.pem, devices, 'bare');
    bare.child.disconnect();
    return rowsOf(ours, peer, devices);
  } finally {
    await stage.close();
  }
}

function rowsOf(ours: Measured, peer: Measured, devices: number): Row[] {
  const p99 = ({ milliseconds }: Times) => quantile(milliseconds, 0.99);
  const shown = (times: Times) =>
    `p50 ${rounded(quantile(times.milliseconds, 0.5))} ms, p99 ${rounded(p99(times))} ms, ${times.lost} lost`;
  const row = (phase: (typeof phases)[number]): Row => ({
    what: `readings of ${connected} that are connected, ${phase} the storm`,
    ...{ ours: shown(ours[phase]), peer: shown(peer[phase]) },
    target: phase === 'during' ? `p99 ≤ ${share} ×` : '',
    met: phase === 'during' ? p99(ours.during) <= share * p99(peer.during) : null,
  });
  const told = ({ tries, seconds }: Back) => `all after ${rounded(seconds)} s, ${tries} tries`;
  const back = { ours: told(ours.back), peer: told(peer.back), target: '', met: null };
  return [...phases.map(row), { what: `${devices} come back at once, each with a reading`, ...back }];
}
