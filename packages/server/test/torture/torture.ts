/**
 * `npm run torture -- [--minutes N] [--seed N] [--devices N] [--gates N] [--copies N] [--rate N] [--crowd N] [--only KIND]… [--postgres] [--break barrier]`: prints one
 * summary and exits 1 if a promise was broken. `--crowd`: so many subjects more, which only changes of many name. `--copies`: so many gates are copied, identity and all. `--postgres`: two authorities at a PostgreSQL of the run's own, which is killed and replaced by its copy; at the end of it the last commits are lost. `--only`: faults of this kind alone, such as "gate paused". The seed decides faults,
 * flips and sends; in which order processes come to run, the machine decides.
 */
import { parseArgs } from 'node:util';
import { Arena } from './arena.ts';
import { decidedShareMin } from './liveness.ts';
import { lastCommitsLost } from './loss.ts';
import { run } from './run.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(1 + (Date.now() % 1_000_000)) },
    devices: { type: 'string', default: '200' },
    gates: { type: 'string', default: '3' },
    copies: { type: 'string', default: '1' },
    crowd: { type: 'string', default: '2000' },
    rate: { type: 'string', default: '500' },
    only: { type: 'string', multiple: true, default: [] },
    postgres: { type: 'boolean', default: false },
    break: { type: 'string', default: '' },
  },
});
if (values.break !== '' && values.break !== 'barrier') throw new Error('--break takes "barrier" alone');
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const seed = Number(values.seed);
console.error(`torture: seed ${seed}, ${values.minutes} minutes, ${values.devices} devices, ${values.gates} gates`);
const { devices, gates, copies, crowd } = values;
const arena = await Arena.open({
  devices: Number(devices),
  gates: Number(gates),
  copies: Number(copies),
  crowd: Number(crowd),
  postgres: values.postgres,
  seed,
});
try {
  const milliseconds = Number(values.minutes) * 60_000;
  const broken = values.break;
  const disk = broken === '' ? {} : { disk: { beforeMs: 50, afterMs: 300 } };
  const options = {
    seed,
    milliseconds,
    perSecond: Number(values.rate),
    flippers: 6,
    faults: true,
    only: values.only,
    renewals: broken === '',
    rollovers: broken === '',
    storms: broken === '',
  };
  const report = await run(arena, { ...options, broken, ...disk });
  console.log(JSON.stringify(report));
  process.exitCode = report.violations === 0 ? 0 : 1;
  if (broken === '' && report.decided < decidedShareMin) {
    console.error(
      `torture: gates decided ${Math.round(100 * report.decided)} % of the calls, and what holds of so few says little: it wants ${100 * decidedShareMin} % (a machine that does less beside, a lower --rate, fewer --devices)`,
    );
    process.exitCode = 1;
  }
  if (arena.authorities && broken === '') {
    const lost = await lastCommitsLost(arena, `seed-${seed}`);
    console.log(JSON.stringify({ lost: { violations: lost.length, first: lost } }));
    if (lost.length > 0) process.exitCode = 1;
  }
} finally {
  // What ended the run is said, not what its end ran into.
  await arena.close().catch((error: unknown) => console.error(error));
}
