/** A fleet of a million: how long a gate takes until it listens, what gate and authority hold in memory, and what is on disk. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { House } from '../packages/server/test/house.ts';
import { freeBasePort, succeeded } from '../tools/commands.ts';
import type { Result, Row } from './bench.ts';
import { fillFleet } from './fleet.ts';
import { cpuSeconds, rounded, thousands } from './measure.ts';

const sizes = { few: 1_000, usual: 50_000, full: 1_000_000 } as const;
const startSecondsMax = 6;
const gateMiBMax = 350;
const mebibyte = 1024 * 1024;

interface Seen {
  seconds: number;
  gateCpu: number;
  authorityCpu: number;
  gateMiB: number;
  gateMostMiB: number;
  authorityMostMiB: number;
  storeMiB: number;
}

/** In MiB, by the kernel: `VmRSS` now, `VmHWM` at the most. */
const memory = (pid: number, line: 'VmRSS' | 'VmHWM') =>
  Number(new RegExp(`${line}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

async function seenWith(certificates: number): Promise<Seen> {
  const house = new House();
  try {
    house.basePort = await freeBasePort();
    await succeeded('portcullis', 'init', house.fleet, '--desk', 'none', '--base-port', String(house.basePort));
    process.stderr.write(`a fleet of ${thousands(certificates)} certificates\n`);
    await fillFleet(house.fleet, certificates);
    await house.startAuthority();
    const authority = house.authority?.process.pid as number;
    const before = cpuSeconds(authority);
    const begun = performance.now();
    await house.startGate();
    const seconds = (performance.now() - begun) / 1_000;
    const gate = house.gate?.process.pid as number;
    return {
      seconds,
      gateCpu: cpuSeconds(gate),
      authorityCpu: cpuSeconds(authority) - before,
      gateMiB: memory(gate, 'VmRSS'),
      gateMostMiB: memory(gate, 'VmHWM'),
      authorityMostMiB: memory(authority, 'VmHWM'),
      storeMiB: statSync(join(house.fleet, 'authority', 'store.db')).size / mebibyte,
    };
  } finally {
    await house.close();
  }
}

export async function benchMillion({ full }: { full: boolean }): Promise<Result> {
  const size = full ? sizes.full : sizes.usual;
  const few = await seenWith(sizes.few);
  const many = await seenWith(size);
  const row = (what: string, of: (seen: Seen) => string, target = '', met: Row['met'] = null): Row => ({
    ...{ what: `${thousands(size)} certificates: ${what}`, target, met },
    ours: of(many),
    peer: `${of(few)} with ${thousands(sizes.few)}`,
  });
  const isIn = (seen: number, most: number) => (full ? seen <= most : null);
  const wanted = (target: string) => (full ? target : '');
  return {
    rows: [
      row(
        'gate, from its start until it listens',
        ({ seconds }) => `${rounded(seconds)} s`,
        wanted(`≤ ${startSecondsMax} s`),
        isIn(many.seconds, startSecondsMax),
      ),
      row('… processor time of gate, authority', (seen) => `${rounded(seen.gateCpu)}, ${rounded(seen.authorityCpu)} s`),
      row(
        'memory of the gate then',
        ({ gateMiB }) => `${rounded(gateMiB, 0)} MiB`,
        wanted(`≤ ${gateMiBMax} MiB`),
        isIn(many.gateMiB, gateMiBMax),
      ),
      row(
        'the most memory: gate, authority',
        (seen) => `${rounded(seen.gateMostMiB, 0)}, ${rounded(seen.authorityMostMiB, 0)} MiB`,
      ),
      row('the store on disk', ({ storeMiB }) => `${rounded(storeMiB)} MiB`),
    ],
  };
}
