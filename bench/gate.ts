import type { Row } from './bench.ts';
import type { Job } from './load.ts';
import { cpuSeconds, rounded, thousands } from './measure.ts';
import { load, openStage, type Stage, startBareServer, startNginx } from './stage.ts';

const path = '/v1/streams/telemetry/readings';
const warmMs = 1_500;
const runMs = 8_000;

export interface Measured {
  perSecond: number;
  /** CPU of the server, microseconds for each reading. */
  cpu: number;
}

/** Warms up, then measures the load's rate and the CPU that the server's process used meanwhile. */
export async function measure(
  pid: number,
  job: Omit<Job, 'milliseconds' | 'prefix'>,
  milliseconds = runMs,
): Promise<Measured> {
  await load({ ...job, milliseconds: warmMs, prefix: `w${process.hrtime.bigint()}` });
  const before = cpuSeconds(pid);
  const done = await load({ ...job, milliseconds, prefix: `r${process.hrtime.bigint()}` });
  const readings = done.requests * job.readings;
  if (done.failures > done.requests * 0.001) throw new Error(`${done.failures} of ${done.requests} requests failed`);
  return { perSecond: readings / (done.milliseconds / 1000), cpu: ((cpuSeconds(pid) - before) / readings) * 1e6 };
}

export async function benchGate(): Promise<Row[]> {
  const stage = await openStage();
  try {
    return [...(await handshakes(stage)), ...(await readings(stage))];
  } finally {
    await stage.close();
  }
}

const ratio = (ours: number, peer: number) => `${rounded(ours / peer, 2)} ×`;
const microseconds = (value: number) => `${rounded(value, 0)} µs`;

async function handshakes(stage: Stage): Promise<Row[]> {
  const job = { path, pem: stage.pem, connections: 16, fresh: true, readings: 1 };
  const ours = await measure(stage.gatePid, { ...job, port: stage.house.basePort + 3 });
  const nginx = await startNginx(stage);
  if (!nginx)
    return [
      {
        what: 'full handshake + first reading, CPU',
        ours: microseconds(ours.cpu),
        peer: 'nginx is not installed',
        target: '≤ 1.0 × nginx',
        met: null,
      },
    ];
  const peer = await measure(nginx.worker(), { ...job, port: nginx.port });
  nginx.stop();
  return [
    {
      what: 'full handshake + first reading, CPU',
      ours: microseconds(ours.cpu),
      peer: `${microseconds(peer.cpu)} (nginx answering 204): ${ratio(ours.cpu, peer.cpu)}`,
      target: '≤ 1.0 × nginx',
      met: ours.cpu <= peer.cpu,
    },
  ];
}

async function readings(stage: Stage): Promise<Row[]> {
  const bare = await startBareServer(stage);
  const rows: Row[] = [];
  for (const many of [1, 500]) {
    const job = { path, pem: stage.pem, connections: many === 1 ? 64 : 8, fresh: false, readings: many };
    const ours = await measure(stage.gatePid, { ...job, port: stage.house.basePort + 3 });
    const peer = await measure(bare.child.pid as number, { ...job, port: bare.port });
    const name = many === 1 ? 'durable readings, one per request' : 'durable readings, NDJSON of 500';
    const perCore = 1e6 / ours.cpu;
    const target = many === 1 ? '≥ 10 000/s per core' : '≥ 200 000/s on 2 cores';
    const met = many === 1 ? perCore >= 10_000 : ours.perSecond >= 200_000;
    const rate =
      many === 1
        ? `${thousands(perCore)}/s per core (${thousands(ours.perSecond)}/s)`
        : `${thousands(ours.perSecond)}/s`;
    rows.push({ what: name, ours: rate, peer: `${thousands(peer.perSecond)}/s (bare node:https)`, target, met });
    rows.push({
      what: `${name}, CPU`,
      ours: `${rounded(ours.cpu, 1)} µs`,
      peer: `${rounded(peer.cpu, 1)} µs: ${ratio(ours.cpu, peer.cpu)}`,
      target: many === 1 ? '≤ 1.3 × bare' : '',
      met: many === 1 ? ours.cpu <= 1.3 * peer.cpu : null,
    });
  }
  bare.child.disconnect();
  return rows;
}
