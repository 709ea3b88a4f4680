/** What an admitted device can do to a gate with bodies in pieces of one byte: to its memory, and to the answers of another device. `--base PATH`: an older tree beside. */
import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Row } from './bench.ts';
import { quantile, rounded } from './measure.ts';

const root = join(import.meta.dirname, '..');
const measuredMs = 10_000;
const growthMiBMax = 64;
const ratioMax = 2;

type House = import('../packages/server/test/house.ts').House;
type HouseModule = typeof import('../packages/server/test/house.ts');

interface Seen {
  quietMs: number;
  attackedMs: number;
  growthMiB: number;
}

export async function benchHostile(words: string[]): Promise<Row[]> {
  const at = words.indexOf('--base');
  const ours = await seenOf(root);
  const base = at < 0 ? undefined : await seenOf(resolve(words[at + 1] ?? ''));
  const told = (seen: Seen | undefined, tell: (seen: Seen) => string) => (seen ? tell(seen) : 'none (--base PATH)');
  const growth = ({ growthMiB }: Seen) => `${rounded(growthMiB, 0)} MiB`;
  const ratio = ({ quietMs, attackedMs }: Seen) => attackedMs / quietMs;
  const times = (seen: Seen) =>
    `${rounded(seen.quietMs)} → ${rounded(seen.attackedMs)} ms: ${rounded(ratio(seen), 2)} ×`;
  return [
    {
      what: 'bodies of four million chunks of one byte: how much the gate grows',
      ours: growth(ours),
      peer: told(base, growth),
      target: `≤ ${growthMiBMax} MiB`,
      met: ours.growthMiB <= growthMiBMax,
    },
    {
      what: 'the same: p99 of another device, before → meanwhile',
      ours: times(ours),
      peer: told(base, times),
      target: `≤ ${ratioMax} ×`,
      met: ratio(ours) <= ratioMax,
    },
  ];
}

/** A house of that tree's own code. */
async function seenOf(tree: string): Promise<Seen> {
  const module = pathToFileURL(join(tree, 'packages/server/test/house.ts')).href;
  const { House, post, readingsUrl } = (await import(module)) as HouseModule;
  const house = await House.open();
  try {
    const honest = await house.pem(await house.device('truck-17'));
    const hostile = await house.pem(await house.device('truck-66'));
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const send = async () => (await post(readingsUrl(house), honest, '{"t":1}', {}, agent)).status;
    await answers(send, measuredMs);
    const quietMs = quantile(await answers(send, measuredMs), 0.99);
    const before = residentMiB(house);
    let most = before;
    const looking = setInterval(() => {
      most = Math.max(most, residentMiB(house));
    }, 20);
    const attacker = fork(join(import.meta.dirname, 'shredder.ts'), [
      String(new URL(house.gateUrl).port),
      hostile.directory,
    ]);
    const attackedMs = quantile(await answers(send, measuredMs), 0.99);
    attacker.kill();
    clearInterval(looking);
    agent.destroy();
    return { quietMs, attackedMs, growthMiB: most - before };
  } finally {
    await house.close();
  }
}

/** How long each answer took, one after the other. What is refused meanwhile, for want of a lease, took its time too. */
async function answers(send: () => Promise<number>, milliseconds: number): Promise<number[]> {
  const took: number[] = [];
  for (const end = performance.now() + milliseconds; performance.now() < end; ) {
    const began = performance.now();
    await send().catch(() => 0);
    took.push(performance.now() - began);
  }
  return took;
}

function residentMiB({ gate }: House): number {
  const text = readFileSync(`/proc/${gate?.process.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(text)?.[1] ?? 0) / 1_024;
}
