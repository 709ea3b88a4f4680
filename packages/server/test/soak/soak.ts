/**
 * `npm run soak -- [--minutes N] [--warm-up N] [--every SECONDS] [--rate N] [--seed N] [--break sockets]`: a real authority and a real gate while
 * connections come and go, by HTTPS and MQTT, right, refused and half open, and attributes change. Tells the memory of both on standard error,
 * one summary on standard output, and exits 1 where memory did not return to where it was. `--break sockets` must be found.
 */
import { parseArgs } from 'node:util';
import { looksOf, soak } from './run.ts';
import { looksMin, type Sample } from './verdict.ts';

const rightShareMin = 0.9;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    'warm-up': { type: 'string', default: '5' },
    every: { type: 'string', default: '30' },
    rate: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(1 + (Date.now() % 1_000_000)) },
    break: { type: 'string', default: '' },
  },
});

function numberOf(name: 'minutes' | 'warm-up' | 'every' | 'rate' | 'seed', most: number): number {
  const value = Number(values[name]);
  if (value > 0 && value <= most) return value;
  console.error(`--${name} ${values[name]} is not possible; it must be a number above 0 and not above ${most}`);
  process.exit(2);
}

const mebibytes = (bytes: number) => (bytes / 1_048_576).toFixed(1);
const shown = (sample: Sample) =>
  Object.entries(sample)
    .map(
      ([name, { rss, heap, external }]) =>
        `${name} ${mebibytes(rss)} MiB, of them heap ${mebibytes(heap)} and buffers ${mebibytes(external)}`,
    )
    .join('; ');

if (values.break !== '' && values.break !== 'sockets') {
  console.error(`--break ${values.break} is not possible; it takes "sockets" alone`);
  process.exit(2);
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
const [minutes, warmUp, every] = [numberOf('minutes', 1e5), numberOf('warm-up', 1e4), numberOf('every', 3_600)];
const [rate, seed] = [numberOf('rate', 500), numberOf('seed', 1e9)];
const times = { milliseconds: minutes * 60_000, warmUpMs: warmUp * 60_000, everyMs: every * 1_000 };
if (looksOf(times) === undefined) {
  const words = `--warm-up ${warmUp} and --every ${every} leave ${minutes} minutes`;
  console.error(`${words} fewer than ${looksMin} looks, of which nothing can be said; give it longer, or look sooner`);
  process.exit(2);
}
console.error(`soak: seed ${seed}, ${minutes} minutes, ${rate} connections a second`);
const report = await soak({
  seed,
  ...times,
  perSecond: rate,
  changeEveryMs: 2_000,
  broken: values.break,
  onSample: (sample, afterMs) => console.error(`soak: after ${Math.round(afterMs / 1_000)} s: ${shown(sample)}`),
});
console.log(JSON.stringify(report));
process.exitCode = report.returned ? 0 : 1;
for (const [kind, [came, right]] of Object.entries(report.connections)) {
  if (right >= rightShareMin * came && right > 0) continue;
  console.error(`soak: of ${came} "${kind}" ${right} went as they should, and what is said of so few says little`);
  process.exitCode = 1;
}
