import { bareInserts } from './bare-inserts.ts';
import type { Row } from './bench.ts';
import { handshakePeers } from './handshake-peers.ts';
import type { Job } from './load.ts';
import { cpuSeconds, pin, quantile, rounded, thousands, unpin } from './measure.ts';
import { load, openStage, type Stage, startBareServer } from './stage.ts';

const path = '/v1/streams/telemetry/readings';
const warmMs = 1_500;
const runMs = 8_000;
/** Code that few handshakes have run is slower than it will be. */
const handshakeWarmMs = 8_000;
const [handshakeTurns, handshakeMs] = [5, 2_000];
/** Of readings that come as NDJSON, beside their rows alone. */
const [batchConnections, batchReadings, ofBareInserts] = [8, 500, 0.6];

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

const handshakeRow = 'full handshake + first reading, CPU';
/** What a gate's target is beside some of them. */
const handshakeTargets: Record<string, number> = { 'bare node:tls': 1.1, nginx: 1 };

/** One processor for each that serves, and the median of turns: whatever else the machine does meets all of them. */
async function handshakes(stage: Stage): Promise<Row[]> {
  const job = { path, pem: stage.pem, connections: 16, fresh: true, readings: 1 };
  const missing: string[] = [];
  const all: { name: string; port: number; pid: number; stop(): void; cpu: number[] }[] = [];
  const gate = { port: stage.house.basePort + 3, pid: stage.gatePid, stop: () => undefined };
  all.push({ ...gate, name: 'gate', cpu: [] });
  for (const [name, start] of Object.entries(handshakePeers)) {
    const peer = await start(stage);
    if (peer) all.push({ ...peer, name, cpu: [] });
    else missing.push(name);
  }
  for (const { pid } of all) pin(pid, 0);
  for (const { port } of all) await load({ ...job, port, milliseconds: handshakeWarmMs, prefix: `h${port}` });
  for (let turn = 0; turn < handshakeTurns; turn++)
    for (const { port, pid, cpu } of all) cpu.push((await measure(pid, { ...job, port }, handshakeMs)).cpu);
  unpin(stage.gatePid);
  const [ours = Number.NaN, ...theirs] = all.map(({ cpu }) => quantile(cpu, 0.5));
  for (const { stop } of all) stop();
  const rows = all.slice(1).map(({ name }, at): Row => {
    const [cpu, atMost] = [theirs[at] as number, handshakeTargets[name]];
    return {
      what: handshakeRow,
      ours: microseconds(ours),
      peer: `${microseconds(cpu)} (${name}, 204): ${ratio(ours, cpu)}`,
      target: atMost === undefined ? '' : `≤ ${rounded(atMost)} × ${name}`,
      met: atMost === undefined ? null : ours <= atMost * cpu,
    };
  });
  const absent = (name: string) => ({ ours: '', peer: `${name} is not installed`, target: '', met: null });
  return [...rows, ...missing.map((name): Row => ({ what: handshakeRow, ...absent(name) }))];
}

async function readings(stage: Stage): Promise<Row[]> {
  const bare = await startBareServer(stage);
  const rows: Row[] = [];
  for (const many of [1, batchReadings]) {
    const job = { path, pem: stage.pem, connections: many === 1 ? 64 : batchConnections, fresh: false, readings: many };
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
    if (many > 1) rows.push(besideInserts(stage, ours.perSecond));
  }
  bare.child.disconnect();
  return rows;
}

function besideInserts(stage: Stage, perSecond: number): Row {
  const bare = bareInserts(stage.house.home, batchConnections, batchReadings, runMs);
  return {
    what: `durable readings, NDJSON of ${batchReadings}, beside their rows alone`,
    ours: `${thousands(perSecond)}/s`,
    peer: `${thousands(bare)}/s (bare node:sqlite, ${thousands(batchConnections * batchReadings)} a commit): ${ratio(perSecond, bare)}`,
    target: `≥ ${ofBareInserts} × bare`,
    met: perSecond >= ofBareInserts * bare,
  };
}
