/** A file of many subjects is imported, and a backup made, while people change other things: how long, how much memory, and who waits. */
import { execFile } from 'node:child_process';
import { createWriteStream, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { House } from '../packages/server/test/house.ts';
import { Operator } from '../packages/server/test/operator.ts';
import type { Result } from './bench.ts';
import { type Distribution, distributionOf, inShort } from './distribution.ts';
import { rounded, thousands } from './measure.ts';

const run = promisify(execFile);
const changeEveryMs = 50;
const quietMs = 20_000;
const command = join(import.meta.dirname, '../packages/server/bin/portcullis.js');
const mebibyte = 1024 * 1024;

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function* rows(count: number): Generator<string> {
  yield 'subject,site,status\n';
  for (let index = 0; index < count; index++) yield `pump-${index},site-${index % 500},active\n`;
}

/** The most that a process has had in memory, in MiB. */
const peakMiB = (pid: number | undefined) =>
  Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

/** Changes with their receipts, one after another, for as long as `work` takes. */
async function meanwhile(what: string, house: House, work: Promise<unknown>): Promise<[Distribution, number]> {
  const operator = new Operator(house.fleet);
  const times: number[] = [];
  const begun = performance.now();
  let isOver = false;
  const over = work.finally(() => {
    isOver = true;
  });
  for (let count = 0; !isOver; count++) {
    const from = performance.now();
    await operator.set('truck-17', { status: count % 2 === 0 ? 'stolen' : 'active' });
    times.push(performance.now() - from);
    await pause(changeEveryMs);
  }
  await over;
  operator.close();
  return [distributionOf(what, times), (performance.now() - begun) / 1_000];
}

/** Resolves to the most that the command had in memory, in MiB, as it says at its end. */
async function portcullis(house: House, ...words: string[]): Promise<number> {
  const report = `process.on('exit',()=>process.stderr.write('peak '+process.resourceUsage().maxRSS))`;
  const options = ['--import', `data:text/javascript,${encodeURIComponent(report)}`];
  const { stderr } = await run(process.execPath, [...options, command, ...words, '--fleet', house.fleet], {
    maxBuffer: mebibyte,
  });
  return Number(/peak (\d+)$/.exec(stderr)?.[1]) / 1024;
}

export async function benchImport({ full }: { full: boolean }): Promise<Result> {
  const count = full ? 1_000_000 : 50_000;
  const house = await House.open();
  try {
    await house.device('truck-17');
    const file = join(house.home, 'pumps.csv');
    await pipeline(Readable.from(rows(count)), createWriteStream(file));
    const [quiet] = await meanwhile('a change and its receipt, quiet', house, pause(quietMs));
    let [commandMiB, againMiB] = [0, 0];
    const importing = portcullis(house, 'import', file, '--reason', 'pumps').then((peak) => {
      commandMiB = peak;
    });
    const [during, seconds] = await meanwhile('… while the file is imported', house, importing);
    const again = portcullis(house, 'import', file).then((peak) => {
      againMiB = peak;
    });
    const [duringAgain, againSeconds] = await meanwhile('… while it is imported again', house, again);
    const backup = join(house.home, 'fleet.backup');
    const making = portcullis(house, 'backup', backup);
    const [duringBackup, backupSeconds] = await meanwhile('… while a backup is made', house, making);
    const beside = inShort(quiet);
    const [authorityMiB, gateMiB] = [peakMiB(house.authority?.process.pid), peakMiB(house.gate?.process.pid)];
    const row = (what: string, ours: string, peer = '') => ({ what, ours, peer, target: '', met: null });
    const took = (time: number) => `${rounded(time, 0)} s, ${thousands(count / time)}/s`;
    return {
      rows: [
        row(`${thousands(count)} rows are imported`, took(seconds)),
        row(
          'the most memory: command, authority, gate',
          `${[commandMiB, authorityMiB, gateMiB].map((one) => rounded(one, 0)).join(', ')} MiB`,
        ),
        row('a change and its receipt meanwhile', inShort(during), `${beside} without`),
        row('the same file again, which changes nothing', `${took(againSeconds)}, ${rounded(againMiB, 0)} MiB`),
        row('a change and its receipt meanwhile', inShort(duringAgain), `${beside} without`),
        row('a backup of it', `${rounded(backupSeconds)} s, ${rounded(statSync(backup).size / mebibyte, 0)} MiB`),
        row('a change and its receipt meanwhile', inShort(duringBackup), `${beside} without`),
      ],
      distributions: [quiet, during, duringAgain, duringBackup],
    };
  } finally {
    await house.close();
  }
}
