/**
 * The torture, short, and its canary. The long one is `npm run torture -- --minutes 30`; one that fails is repeated by its seed, as far
 * as the machine lets processes run in the same order:
 *   SEED=17 npm run conformance -- torture
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { crash } from '../../packages/server/test/crash/killing.ts';
import { Arena } from '../../packages/server/test/torture/arena.ts';
import { authorityFaults, deskFaults, gateFaults, planFaults } from '../../packages/server/test/torture/faults.ts';
import { run } from '../../packages/server/test/torture/run.ts';

const seed = Number(process.env.SEED ?? 17);
/** An authority that starts twice in a run so short leaves no time for anything else; its token has a run of its own. */
const isLeftOut = (kind: string) => kind.endsWith(' lease') || kind === 'token gone';
const brief = [gateFaults, authorityFaults, deskFaults].flatMap(Object.keys).filter((kind) => !isLeftOut(kind));
let arena: Arena;

before(async () => {
  arena = await Arena.open({ devices: 30, gates: 2, copies: 1, crowd: 300, seed });
});
after(() => arena?.close());

test('P6, P7, P8, P12: killed, paused and cut off at random, no gate breaks what a receipt or an acknowledgement said', async (context) => {
  const report = await run(arena, {
    seed,
    milliseconds: 9_000 * arena.slowness,
    perSecond: 200,
    flippers: 4,
    faults: true,
    only: brief,
    renewals: true,
    storms: true,
  });
  context.diagnostic(JSON.stringify(report));
  assert.deepEqual(report.first, []);
  assert.equal(report.violations, 0);
  assert.ok(report.acknowledged > 100 && report.confirmed > 10, 'the run exercises something');
  for (const [way, [acknowledged]] of Object.entries(report.ways)) assert.ok(acknowledged > 0, `something over ${way}`);
  assert.ok(Object.keys(report.faults).length > 3, 'faults were injected');
  assert.ok(report.renewals > 0, 'a device renewed meanwhile, through the desk');
  assert.ok(report.faults['desk killed'] || report.faults['desk paused'], 'and the desk was not spared');
});

test('a token that is pulled out while it signs stops what it signs and nothing else, and signs again when it is back', async (context) => {
  const options = {
    milliseconds: 4_000 * arena.slowness,
    perSecond: 100,
    flippers: 2,
    gates: 1,
    faults: true,
    renewals: true,
  } as const;
  // The ids of readings are of the seed, and those of the run before are there.
  const report = await run(arena, { ...options, seed: seed + 1_000, only: ['token gone'] });
  context.diagnostic(JSON.stringify(report));
  assert.deepEqual(report.first, []);
  if (arena.token) assert.equal(report.faults['token gone'], 1);
  assert.ok(report.confirmed > 0 && report.acknowledged > 0);
});

test('P6 P7 P8 P12: everything is killed at random, also while it starts: nothing acknowledged, durable or answered is lost or doubled', async (context) => {
  const size = { senders: 2, operators: 2, perSecond: 60, flippers: 2 };
  const milliseconds = 10_000 * arena.slowness;
  const report = await crash(arena, { seed: seed + 2_000, kills: 12, milliseconds, ...size });
  context.diagnostic(JSON.stringify(report));
  assert.deepEqual(report.first, []);
  assert.equal(report.violations, 0);
  assert.ok(report.kills > 5, 'something was killed');
  assert.ok(
    report.acknowledged > 0 && report.durable > 0 && report.changes[0] > 0,
    'and something was promised meanwhile',
  );
});

test('canary: without rule 8 the torture finds a reading that became readable after the receipt that forbade it', async (context) => {
  const slow = { beforeMs: 50, afterMs: 300 };
  const options = { milliseconds: 3_000, perSecond: 100, flippers: 4, gates: 1, faults: false, disk: slow } as const;
  for (let tries = 0; tries < 3; tries++) {
    const report = await run(arena, { ...options, seed: seed + tries, broken: 'barrier' });
    context.diagnostic(JSON.stringify(report));
    if (/became readable after the receipt that forbade it/.test(JSON.stringify(report.first))) return;
  }
  assert.fail('nothing was found');
});

test('the same seed plans the same faults, another seed others', () => {
  const plan = planFaults(seed, 4, 240_000);
  assert.deepEqual(planFaults(seed, 4, 240_000), plan);
  assert.notDeepEqual(planFaults(seed + 1, 4, 240_000), plan);
  const kinds = new Set([...plan.gates.flat(), ...plan.authority, ...plan.desk].map(({ kind }) => kind));
  assert.equal(kinds.size, 19, 'four minutes meet every kind');
});
