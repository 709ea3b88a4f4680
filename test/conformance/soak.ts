/** The soak, short, and its canary. The long one is `npm run soak`; what makes its judgement is tested by itself. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { comers } from '../../packages/server/test/soak/comers.ts';
import { type SoakReport, soak } from '../../packages/server/test/soak/run.ts';

const [seconds, warmUpSeconds, everySeconds, perSecond] = [30, 10, 2, 30];

async function short(context: TestContext, broken: string): Promise<SoakReport> {
  const report = await soak({
    ...{ seed: 13, milliseconds: seconds * 1_000, warmUpMs: warmUpSeconds * 1_000, everyMs: everySeconds * 1_000 },
    ...{ perSecond, changeEveryMs: 500, broken, onSample: () => undefined },
  });
  context.diagnostic(JSON.stringify(report));
  return report;
}

test('memory of a gate and an authority returns to where it was, while connections of each kind come and go', async (context) => {
  const report = await short(context, '');
  assert.equal(report.returned, true);
  for (const kind of Object.keys(comers)) {
    const [came, right] = report.connections[kind] as [number, number];
    assert.ok(right > 0 && right > came / 2, `of ${came} "${kind}" ${right} went as they should`);
  }
  assert.ok(report.changes.done > 0 && report.changes.cut > 0, 'and something changed meanwhile');
});

test('canary: a gate that keeps every connection that it had is found, and the authority is not blamed', async (context) => {
  const { returned, processes } = await short(context, 'sockets');
  assert.equal(returned, false);
  assert.equal(processes.gate?.external.returned, false);
  assert.deepEqual(
    Object.values(processes.authority ?? {}).map((one) => one.returned),
    [true, true, true],
  );
});
