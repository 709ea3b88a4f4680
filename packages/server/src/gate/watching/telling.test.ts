import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { EdgesReport } from '@portcullis/contract';
import type { Link } from '@portcullis/device';
import { until } from '../../../test/open-front.ts';
import type { Sink, UntoldEdge } from '../../storage/sink.ts';
import { createLog, realSystem } from '../../telemetry/telemetry.ts';
import { Gaps } from './gaps.ts';
import { Telling } from './telling.ts';

const instance = 'a'.repeat(32);
const at = '1970-01-01T00:00:01.000Z';

function edge(number: number, more: Partial<UntoldEdge> = {}): UntoldEdge {
  return {
    ...{ number, instance: 'b'.repeat(32), rule: 'cold-chain', revision: 3, subject: 'tracker-1', side: 'outside' },
    ...{
      reading: `r${number}`,
      at: 1_000,
      receivedAt: 1_000,
      clock: 'synchronized',
      after: null,
      late: 0,
      unproven: 0,
    },
    ...more,
  } as UntoldEdge;
}

/** A sink that holds these, an authority that a test plays, and a clock of the test's own. */
function open(context: TestContext) {
  const clock = { now: 0 };
  const held = {
    edges: [] as UntoldEdge[],
    newest: [] as { rule: string; subject: string; side: 'inside'; newest: number }[],
  };
  const sink: Pick<Sink, 'untold' | 'told'> = {
    async untold({ newest }) {
      const edges = held.edges.slice(0, 500);
      return { edges, newest: newest && edges.length < 500 ? held.newest.slice(0, 1_000) : [] };
    },
    async told({ edges, newest }) {
      held.edges = held.edges.filter(({ number }) => !edges.includes(number));
      held.newest = held.newest.filter((one) => !newest.includes(one as never));
    },
  };
  const reports: EdgesReport[] = [];
  const authority = { takes: (report: EdgesReport): string[] => report.edges.map(({ id }) => id) };
  const request = async ({ url, body }: { url: string; body: string }) => {
    assert.equal(url, 'https://authority/v1/edges');
    const report = EdgesReport.parse(JSON.parse(body));
    reports.push(report);
    return { status: 200, headers: {}, body: Buffer.from(JSON.stringify({ taken: authority.takes(report) })) };
  };
  const gaps = new Gaps(() => 1_000);
  const telling = new Telling({
    ...{ authority: 'https://authority', instance, sink, gaps, log: createLog({ role: 'gate', level: 'silent' }) },
    link: () => ({ request }) as unknown as Link,
    system: { ...realSystem, monotonic: () => clock.now },
    every: { turnMs: 1, newestMs: 4_000 },
  });
  context.after(() => telling.stop());
  telling.start();
  const sent = (many: number) => until(() => reports.length >= many, `${many} reports`);
  return { clock, held, reports, authority, gaps, telling, sent };
}

test('an edge is told as it is kept, until the authority names it', async (context) => {
  const { clock, held, reports, authority, telling, sent } = open(context);
  authority.takes = () => [];
  held.edges = [edge(1), edge(2, { side: 'inside', after: 999, late: 1, unproven: 1, clock: 'unknown' })];
  telling.wake();
  await sent(1);
  assert.equal(held.edges.length, 2, 'one that was not named is kept');
  authority.takes = (report) => report.edges.map(({ id }) => id).slice(0, 1);
  clock.now += 1_000;
  await until(() => held.edges.length === 1, 'one was named');
  authority.takes = (report) => report.edges.map(({ id }) => id);
  clock.now += 60_000;
  await until(() => held.edges.length === 0, 'and the other');
  const same = { rule: 'cold-chain', ruleRevision: 3, subject: 'tracker-1', at, receivedAt: at };
  assert.deepEqual(reports[0]?.edges, [
    {
      ...same,
      id: `${'b'.repeat(32)}:1`,
      side: 'outside',
      reading: 'r1',
      clock: 'synchronized',
      after: null,
      late: false,
      unproven: false,
    },
    {
      ...{ ...same, id: `${'b'.repeat(32)}:2`, side: 'inside', reading: 'r2', clock: 'unknown' },
      ...{ after: '1970-01-01T00:00:00.999Z', late: true, unproven: true },
    },
  ]);
  assert.equal(telling.told, 2);
});

test('edges go at once, newest times and gaps each few seconds, and never before an edge', async (context) => {
  const { clock, held, reports, gaps, telling, sent } = open(context);
  held.edges = Array.from({ length: 700 }, (_, index) => edge(index));
  held.newest = [{ rule: 'cold-chain', subject: 'tracker-1', side: 'inside', newest: 1_000 }];
  clock.now += 4_000;
  telling.wake();
  await sent(2);
  assert.deepEqual(
    reports.map(({ edges, newest }) => [edges.length, newest.length]),
    [
      [500, 0],
      [200, 1],
    ],
  );
  held.newest = [{ rule: 'cold-chain', subject: 'tracker-1', side: 'inside', newest: 2_000 }];
  gaps.note('tracker-2', 'cold', 'certificate_suspended');
  held.edges = [edge(800)];
  telling.wake();
  await sent(3);
  assert.deepEqual(reports[2], { instance, edges: reports[2]?.edges ?? [], newest: [], gaps: [] });
  clock.now += 4_000;
  await sent(4);
  assert.deepEqual(reports[3], {
    ...{ instance, edges: [] },
    newest: [{ rule: 'cold-chain', subject: 'tracker-1', side: 'inside', at: '1970-01-01T00:00:02.000Z' }],
    gaps: [{ subject: 'tracker-2', stream: 'cold', reason: 'certificate_suspended', at }],
  });
  assert.equal(gaps.size, 0);
});

test('while the authority can not be reached it is asked less and less often, and all is kept', async (context) => {
  const { clock, held, reports, authority, gaps, telling, sent } = open(context);
  authority.takes = () => {
    throw new Error('no way to it');
  };
  held.edges = [edge(1)];
  gaps.note('tracker-2', 'cold', 'certificate_suspended');
  telling.wake();
  await sent(1);
  for (let second = 0; second < 600; second++) {
    clock.now += 1_000;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.ok(reports.length < 300, `${reports.length} tries in ten minutes`);
  assert.deepEqual([held.edges.length, gaps.size], [1, 1]);
  authority.takes = (report) => report.edges.map(({ id }) => id);
  clock.now += 60_000;
  await until(() => held.edges.length === 0 && gaps.size === 0, 'it is told');
});

test('what is there when the gate stops is told once more', async (context) => {
  const { held, telling, reports } = open(context);
  await until(() => true, 'a turn');
  held.edges = [edge(1)];
  held.newest = [{ rule: 'cold-chain', subject: 'tracker-1', side: 'inside', newest: 1_000 }];
  await telling.stop();
  assert.deepEqual([reports.at(-1)?.edges.length, reports.at(-1)?.newest.length], [1, 1]);
});
