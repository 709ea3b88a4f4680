/** One gate at one port as one process and as two workers: what readings cost, and how many come. */
import { readFileSync } from 'node:fs';
import { dropSchema, newSchema, urlOf } from '../packages/server/test/postgres.ts';
import type { Result, Row } from './bench.ts';
import { cpuSeconds, rounded, thousands } from './measure.ts';
import { load, openStage } from './stage.ts';

const warmMs = 2_000;
const runMs = 8_000;
const shapes = [
  { what: 'readings, one per request, on 64 connections', connections: 64, fresh: false, readings: 1 },
  { what: 'handshakes with their first reading', connections: 16, fresh: true, readings: 1 },
];

interface Seen {
  perSecond: number;
  /** CPU of the gate's processes, microseconds for each reading. */
  cpu: number;
}

/** A process and those that it started. */
function family(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  return [pid, ...children.flatMap(family)];
}

const cpuOf = (pids: number[]) => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);

/** For each shape what a gate with so many workers did with it. */
async function seen(workers: number): Promise<Seen[]> {
  const schema = newSchema();
  const processes = workers === 1 ? '' : `workers: ${workers}\n`;
  const stage = await openStage(undefined, (text) => `${text}sink: ${urlOf(schema)}\n${processes}`);
  try {
    const all: Seen[] = [];
    for (const { what, ...shape } of shapes) {
      const job = { ...shape, path: '/v1/streams/telemetry/readings', pem: stage.pem, port: stage.house.basePort + 3 };
      await load({ ...job, milliseconds: warmMs, prefix: `w${process.hrtime.bigint()}` });
      const pids = family(stage.gatePid);
      const before = cpuOf(pids);
      const { requests, failures, milliseconds } = await load({
        ...job,
        milliseconds: runMs,
        prefix: `r${process.hrtime.bigint()}`,
      });
      if (failures > requests * 0.001) throw new Error(`${failures} of ${requests}, of ${what}, failed`);
      all.push({ perSecond: requests / (milliseconds / 1_000), cpu: ((cpuOf(pids) - before) / requests) * 1e6 });
    }
    return all;
  } finally {
    await stage.close();
    await dropSchema(schema);
  }
}

const told = ({ perSecond, cpu }: Seen) => `${thousands(perSecond)}/s, ${rounded(cpu, 1)} µs CPU`;

export async function benchWorkers(): Promise<Result> {
  const [one, two] = [await seen(1), await seen(2)];
  const rows: Row[] = shapes.map(({ what }, at) => {
    const [ours, peer] = [two[at] as Seen, one[at] as Seen];
    return {
      what: `${what}: two workers`,
      ours: `${told(ours)} (${rounded(ours.perSecond / peer.perSecond, 2)} ×)`,
      peer: `${told(peer)} (one process)`,
      ...{ target: '', met: null },
    };
  });
  return { rows };
}
