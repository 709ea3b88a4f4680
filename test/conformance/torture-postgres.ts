/** The torture with two authorities at a PostgreSQL that is killed too: short, and its canary. The long one is `npm run torture -- --postgres --minutes 15`. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { skip } from '../../packages/server/test/postgres.ts';
import { Arena } from '../../packages/server/test/torture/arena.ts';
import { gateFaults, leadershipFaults } from '../../packages/server/test/torture/faults.ts';
import { lastCommitsLost } from '../../packages/server/test/torture/loss.ts';
import { run } from '../../packages/server/test/torture/run.ts';

const seed = Number(process.env.SEED ?? 23);
const brief = [...Object.keys(gateFaults), ...Object.keys(leadershipFaults)];
const runsMax = 4;
let arena: Arena;

before(async () => {
  if (skip === false) arena = await Arena.open({ devices: 20, gates: 2, crowd: 100, postgres: true, seed });
});
after(() => arena?.close());

test('P6, P7, P8, P12: whoever leads, and whatever becomes of the database, no gate breaks what a receipt or an acknowledgement said', {
  skip,
}, async (context) => {
  const options = { milliseconds: 40_000, perSecond: 80, flippers: 4, faults: true, storms: true } as const;
  // On a slow machine who leads may be away for most of a run: what holds of so few changes says little, and it goes on.
  let [acknowledged, confirmed, met] = [0, 0, 0];
  for (let runs = 0; runs < runsMax && (acknowledged <= 50 || confirmed <= 10 || met === 0); runs++) {
    const report = await run(arena, { ...options, seed: seed + runs * 100, only: brief });
    context.diagnostic(JSON.stringify(report));
    assert.deepEqual(report.first, []);
    assert.equal(report.violations, 0);
    acknowledged += report.acknowledged;
    confirmed += report.confirmed;
    met += Object.keys(report.faults).filter((kind) => kind in leadershipFaults).length;
  }
  assert.ok(acknowledged > 50 && confirmed > 10, 'the runs exercise something');
  assert.ok(met > 0, 'an authority or its database was met');
});

test('canary: without rule 8 it finds a reading that became readable after the receipt that forbade it', {
  skip,
}, async (context) => {
  const slow = { beforeMs: 50, afterMs: 300 };
  const options = { milliseconds: 3_000, perSecond: 100, flippers: 4, gates: 1, faults: false, disk: slow } as const;
  for (let tries = 0; tries < 3; tries++) {
    const report = await run(arena, { ...options, seed: seed + 1 + tries, broken: 'barrier' });
    context.diagnostic(JSON.stringify(report));
    if (/became readable after the receipt that forbade it/.test(JSON.stringify(report.first))) return;
  }
  assert.fail('nothing was found');
});

test('E8: after it all the last commits are lost with the primary: nobody leads what is behind them, and no gate decides by it', {
  skip,
}, async () => {
  assert.deepEqual(await lastCommitsLost(arena, `seed-${seed}`), []);
});
