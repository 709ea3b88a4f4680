/**
 * A fleet of a million: how long a gate takes until it listens, what each process holds in memory, what a change and a revocation take, and
 * what is on disk; and whether a gate with many readings takes longer to start.
 */
import { globSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { House } from '../packages/server/test/house.ts';
import { Operator } from '../packages/server/test/operator.ts';
import { patienceMs } from '../test/patience.ts';
import { freeBasePort, launchOf, Running, succeeded } from '../tools/commands.ts';
import type { Result, Row } from './bench.ts';
import { fillFleet, idOf } from './fleet.ts';
import { cpuSeconds, quantile, rounded, thousands } from './measure.ts';
import { fillReadings } from './readings-file.ts';

const sizes = { few: 1_000, usual: 50_000, full: 1_000_000 } as const;
const readingsGiB = { usual: 1, full: 10 } as const;
const [startSecondsMax, gateMiBMax, receiptTimesMax] = [6, 350, 1.2];
const [mebibyte, gibibyte] = [1024 ** 2, 1024 ** 3];
/** Of so many changes and as many revocations each. */
const [warmUps, rounds, eachRound] = [3, 6, 20];
/** So long after its start a gate has given back what loading left. */
const restMs = 20_000;

interface Seen {
  seconds: number;
  /** Of the next start, whose snapshot lies ready at the authority. */
  againSeconds: number;
  cpu: { gate: number; authority: number };
  mebibytes: Record<'gate' | 'gateLater' | 'gateMost' | 'authority' | 'authorityMost' | 'desk' | 'deskMost', number>;
  /** Milliseconds until the receipt. */
  change: number[];
  revocation: number[];
  disk: Record<'store' | 'gate' | 'desk', number>;
}

/** In MiB, by the kernel: `VmRSS` now, `VmHWM` at the most. */
const memory = (pid: number | undefined, line: 'VmRSS' | 'VmHWM') =>
  Number(new RegExp(`${line}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

const diskMiB = (directory: string) =>
  globSync(join(directory, '**')).reduce((sum, file) => sum + statSync(file).size, 0) / mebibyte;

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return (performance.now() - begun) / 1_000;
}

const rest = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function filledHouse(certificates: number): Promise<House> {
  const house = new House();
  house.basePort = await freeBasePort();
  await succeeded('portcullis', 'init', house.fleet, '--base-port', String(house.basePort));
  process.stderr.write(`a fleet of ${thousands(certificates)} certificates\n`);
  await fillFleet(house.fleet, certificates);
  return house;
}

/** A fleet with all its processes. */
interface Side {
  house: House;
  desk: Running;
  operator: Operator;
  authority: number;
  started: Pick<Seen, 'seconds' | 'againSeconds' | 'cpu'>;
  memory: Pick<Seen['mebibytes'], 'gate' | 'gateMost'>;
  change: number[];
  revocation: number[];
}

async function openSide(certificates: number, ends: AsyncDisposableStack): Promise<Side> {
  const house = await filledHouse(certificates);
  ends.defer(() => house.close());
  await house.startAuthority();
  const authority = house.authority?.process.pid as number;
  const before = cpuSeconds(authority);
  const seconds = await secondsOf(() => house.startGate());
  const pid = house.gate?.process.pid as number;
  const cpu = { gate: cpuSeconds(pid), authority: cpuSeconds(authority) - before };
  const held = { gate: memory(pid, 'VmRSS'), gateMost: memory(pid, 'VmHWM') };
  await house.gate?.stop();
  const againSeconds = await secondsOf(() => house.startGate());
  const desk = new Running(launchOf('portcullis', {}), 'start', 'desk', house.fleet);
  ends.defer(() => desk.stop());
  await desk.line(/^desk listening/, patienceMs);
  const operator = new Operator(house.fleet);
  ends.defer(() => operator.close());
  const started = { seconds, againSeconds, cpu };
  return { house, desk, operator, authority, started, memory: held, change: [], revocation: [] };
}

/** One after the other, each with its receipt; of certificates that nobody uses. */
async function receipts(work: (number: number) => Promise<{ confirmed: boolean }>, from: number): Promise<number[]> {
  const times: number[] = [];
  for (let number = from; number < from + eachRound; number++) {
    const begun = performance.now();
    if (!(await work(number)).confirmed) throw new Error('a receipt was not confirmed');
    times.push(performance.now() - begun);
  }
  return times;
}

/** So that what else the machine does is in both. */
async function receiptsInTurns(sides: readonly Side[]): Promise<void> {
  for (let round = 0; round < warmUps + rounds; round++) {
    for (const side of sides) {
      const { operator } = side;
      const change = (number: number) => operator.set(idOf(number), { status: `changed-${number}` });
      const revoke = (number: number) => operator.stand('revoke', idOf(number));
      const from = 2 * round * eachRound;
      const [changed, revoked] = [await receipts(change, from), await receipts(revoke, from + eachRound)];
      // What is slow once is behind them.
      if (round < warmUps) continue;
      side.change.push(...changed);
      side.revocation.push(...revoked);
    }
  }
}

function seenOf({ house, desk, authority, started, memory: held, change, revocation }: Side): Seen {
  const mebibytes = {
    ...held,
    gateLater: memory(house.gate?.process.pid, 'VmRSS'),
    authority: memory(authority, 'VmRSS'),
    authorityMost: memory(authority, 'VmHWM'),
    desk: memory(desk.process.pid, 'VmRSS'),
    deskMost: memory(desk.process.pid, 'VmHWM'),
  };
  const [store, ofGate, ofDesk] = ['authority', 'gate', 'desk'].map((one) => diskMiB(join(house.fleet, one)));
  const disk = { store: store as number, gate: ofGate as number, desk: ofDesk as number };
  return { ...started, mebibytes, change, revocation, disk };
}

/** The smaller fleet, and the larger one beside it. */
async function seenWith(few: number, many: number): Promise<[Seen, Seen]> {
  await using ends = new AsyncDisposableStack();
  const [small, large] = [await openSide(few, ends), await openSide(many, ends)];
  await receiptsInTurns([small, large]);
  await rest(restMs);
  return [seenOf(small), seenOf(large)];
}

/** With the same fleet, and the only difference that the file of readings is large. */
async function startWithReadings(wanted: number): Promise<Row> {
  const house = await filledHouse(sizes.few);
  try {
    const { bavail, bsize } = statfsSync(house.home);
    const gib = Math.min(wanted, Math.floor((bavail * bsize) / gibibyte / 2));
    await house.startAuthority();
    await house.startGate();
    await house.gate?.stop();
    const empty = await secondsOf(() => house.startGate());
    await house.gate?.stop();
    const file = join(house.fleet, 'gate', 'readings.db');
    process.stderr.write(`a file of readings of ${gib} GiB\n`);
    const readings = fillReadings(file, gib * gibibyte);
    const full = await secondsOf(() => house.startGate());
    return {
      what: `gate with ${thousands(readings)} readings in ${rounded(statSync(file).size / gibibyte)} GiB, start until it listens`,
      ours: `${rounded(full)} s`,
      peer: `${rounded(empty)} s with none`,
      target: '',
      met: null,
    };
  } finally {
    await house.close();
  }
}

export async function benchMillion({ full }: { full: boolean }): Promise<Result> {
  const size = full ? sizes.full : sizes.usual;
  const [few, many] = await seenWith(sizes.few, size);
  const row = (what: string, of: (seen: Seen) => string, target = '', met: Row['met'] = null): Row => ({
    ...{ what: `${thousands(size)} certificates: ${what}`, target, met },
    ours: of(many),
    peer: `${of(few)} with ${thousands(sizes.few)}`,
  });
  const isIn = (seen: number, most: number) => (full ? seen <= most : null);
  const wanted = (target: string) => (full ? target : '');
  const mib = (...some: number[]) => `${some.map((one) => rounded(one, 0)).join(', ')} MiB`;
  const timesOf = (what: string, of: (seen: Seen) => number[]): Row => {
    const [p50, p99] = [0.5, 0.99].map((share) => (seen: Seen) => quantile(of(seen), share));
    const shown = (seen: Seen) => `p50 ${rounded(p50?.(seen) ?? 0)}, p99 ${rounded(p99?.(seen) ?? 0)} ms`;
    const times = (p50?.(many) ?? 0) / (p50?.(few) ?? 1);
    const target = wanted(`p50 ≤ ${receiptTimesMax} ×`);
    const { ours, ...others } = row(`${what} → receipt`, shown, target, isIn(times, receiptTimesMax));
    return { ...others, ours: `${ours} (${rounded(times, 2)} ×)` };
  };
  return {
    rows: [
      row(
        'gate, from its start until it listens',
        ({ seconds }) => `${rounded(seconds)} s`,
        wanted(`≤ ${startSecondsMax} s`),
        isIn(many.seconds, startSecondsMax),
      ),
      row('… its next start, the snapshot lies ready', ({ againSeconds }) => `${rounded(againSeconds)} s`),
      row('… processor time of gate, authority', ({ cpu }) => `${rounded(cpu.gate)}, ${rounded(cpu.authority)} s`),
      row(
        'memory of the gate then',
        ({ mebibytes }) => mib(mebibytes.gate),
        wanted(`≤ ${gateMiBMax} MiB`),
        isIn(many.mebibytes.gate, gateMiBMax),
      ),
      row('… at the most; after receipts and 20 s', ({ mebibytes }) => mib(mebibytes.gateMost, mebibytes.gateLater)),
      row('memory of the authority; at the most', (seen) =>
        mib(seen.mebibytes.authority, seen.mebibytes.authorityMost),
      ),
      row('memory of the desk; at the most', (seen) => mib(seen.mebibytes.desk, seen.mebibytes.deskMost)),
      timesOf('change', ({ change }) => change),
      timesOf('revocation', ({ revocation }) => revocation),
      row('on disk: authority, gate, desk', ({ disk }) => mib(disk.store, disk.gate, disk.desk)),
      await startWithReadings(full ? readingsGiB.full : readingsGiB.usual),
    ],
  };
}
