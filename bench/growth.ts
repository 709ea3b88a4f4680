/** What grows, and what for: a fleet that enrols and then renews, at a gate and at the authority. Each tree in a process of its own. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import type { Row } from './bench.ts';
import type { Opened } from './growth-authority.ts';
import type { Grown } from './growth-replica.ts';
import { rounded } from './measure.ts';

const root = join(import.meta.dirname, '..');
const execArgv = ['--conditions=portcullis-source', '--expose-gc'];
const enrolledBytesMax = 150;
const renewedRatioMax = 1.1;
const turnMsMax = 50;
const openMsMax = 1_000;

export async function benchGrowth(words: string[]): Promise<Row[]> {
  const at = words.indexOf('--base');
  const base = at < 0 ? undefined : resolve(words[at + 1] ?? '');
  const beside = <Measured>(file: string) => (base === undefined ? undefined : run<Measured>(file, base));
  return [
    ...replicas(await run<Grown>('growth-replica.ts', root), await beside('growth-replica.ts')),
    opening(await run<Opened>('growth-authority.ts', root), await beside('growth-authority.ts')),
  ];
}

async function run<Measured>(file: string, tree: string): Promise<Measured> {
  const child = fork(join(import.meta.dirname, file), [tree], { execArgv });
  const [measured] = (await once(child, 'message')) as [Measured];
  return measured;
}

function opening(ours: Opened, base: Opened | undefined): Row {
  return {
    what: `authority with 1 000 000 certificates (${rounded(ours.megabytes, 0)} MB), open`,
    ours: `${rounded(ours.openMs, 0)} ms`,
    peer: base ? `${rounded(base.openMs, 0)} ms` : '',
    target: `≤ ${openMsMax} ms`,
    met: ours.openMs <= openMsMax,
  };
}

function replicas(ours: Grown, base: Grown | undefined): Row[] {
  const bytes = (value: number | undefined) => (value === undefined ? '' : `${rounded(value, 0)} bytes`);
  const ratio = ours.renewed / ours.enrolled;
  return [
    {
      what: 'certificate in a gate, from a snapshot',
      ours: bytes(ours.snapshot),
      peer: bytes(base?.snapshot),
      target: `≤ ${enrolledBytesMax} bytes`,
      met: ours.snapshot <= enrolledBytesMax,
    },
    {
      what: '… as enrolled, change by change',
      ours: bytes(ours.enrolled),
      peer: bytes(base?.enrolled),
      target: `≤ ${enrolledBytesMax} bytes`,
      met: ours.enrolled <= enrolledBytesMax,
    },
    {
      what: '… after 12 renewals each',
      ours: `${bytes(ours.renewed)} (${rounded(ratio, 2)} ×)`,
      peer: bytes(base?.renewed),
      target: `≤ ${renewedRatioMax} × as enrolled`,
      met: ratio <= renewedRatioMax,
    },
    {
      what: '… no turn of the gate took longer, CPU',
      ours: `${rounded(ours.longestMs, 0)} ms`,
      peer: base ? `${rounded(base.longestMs, 0)} ms` : '',
      target: `≤ ${turnMsMax} ms`,
      met: ours.longestMs <= turnMsMax,
    },
  ];
}
