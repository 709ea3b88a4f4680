/**
 * `npm run crash -- [--kills N] [--minutes M] [--seed N] [--json]`: kills authority, gates, desk and devices of a house of its own, so often or so
 * long, and looks afterwards whether anything that was acknowledged, durable or answered is lost or there twice. Prints how far it is on standard
 * error, one summary on standard output, and exits 1 if a promise was broken. The seed decides how long each one lives; where in its work it is
 * then, the machine decides.
 */
import { parseArgs } from 'node:util';
import { Arena } from '../torture/arena.ts';
import { type CrashReport, crash } from './killing.ts';

const toldEveryMs = 5_000;

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '1000' },
    minutes: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(1 + (Date.now() % 1_000_000)) },
    json: { type: 'boolean', default: false },
  },
});

function numberOf(name: 'kills' | 'minutes' | 'seed', most: number): number {
  const value = Number(values[name]);
  if (value > 0 && value <= most) return value;
  console.error(`--${name} ${values[name]} is not possible; it must be a number above 0 and not above ${most}`);
  process.exit(2);
}

function summaryOf({ first, of, ...report }: CrashReport): string {
  const kinds = Object.entries(of).map(([kind, [all, early]]) => `${kind} ${all} (${early} while it started)`);
  const [answered, asked] = report.changes;
  return [
    `${report.kills} kills in ${report.seconds} s, seed ${report.seed}: ${kinds.join(', ')}`,
    `${report.acknowledged} requests acknowledged by gates, ${report.durable} readings durable in outboxes, ${answered} of ${asked} changes answered, ${report.enrolled} devices enrolled, ${report.renewed} renewed`,
    `${report.violations} violations`,
    ...first.map((violation) => JSON.stringify(violation)),
  ].join('\n');
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
const [kills, minutes, seed] = [numberOf('kills', 1e6), numberOf('minutes', 1e4), numberOf('seed', 1e9)];
console.error(`crash: seed ${seed}, ${kills} kills, ${minutes} minutes at most`);
const arena = await Arena.open({ devices: 24, gates: 2, crowd: 4, seed });
try {
  const begun = performance.now();
  let toldAt = begun;
  const onKill = (done: number) => {
    const now = performance.now();
    if (now - toldAt < toldEveryMs) return;
    toldAt = now;
    console.error(`crash: ${done} of ${kills} kills after ${Math.round((now - begun) / 1_000)} s`);
  };
  const size = { senders: 4, operators: 4, perSecond: 60, flippers: 2 };
  const report = await crash(arena, { seed, kills, milliseconds: minutes * 60_000, ...size, onKill });
  console.log(values.json ? JSON.stringify(report) : summaryOf(report));
  process.exitCode = report.violations === 0 ? 0 : 1;
} finally {
  await arena.close();
}
