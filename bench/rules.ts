import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Row } from './bench.ts';
import { measure } from './gate.ts';
import { quantile, rounded, thousands } from './measure.ts';
import { openStage } from './stage.ts';

const rounds = 5;
const runMs = 4_000;
/** Rules may cost this share of a gate's readings. */
const shareMax = 0.1;

const rule = `rule: cold-chain
streams: [cold]
outside: reading.temperature > 30.0 || reading.temperature < 2.0
inside: reading.temperature <= 29.5 && reading.temperature >= 2.5
for: 10m
silent: 30m
on: { breach: { cold_chain: broken }, silence: { cold_chain: unknown } }
`;

/** Two streams of one gate that expect the same, of which a rule watches one: a load on each in turn, again and again. */
export async function benchRules(): Promise<Row[]> {
  const stage = await openStage(
    async (fleet) => {
      mkdirSync(join(fleet, 'rules'), { recursive: true });
      writeFileSync(join(fleet, 'rules', 'cold-chain.yaml'), rule);
    },
    (text) => text.replace(/^streams:\n/m, 'streams:\n  cold:\n    expect: { status: active }\n'),
  );
  try {
    const rows: Row[] = [];
    for (const many of [1, 500]) rows.push(...(await compared(stage, many)));
    requireEdges(join(stage.house.fleet, 'gate', 'readings.db'));
    return rows;
  } finally {
    await stage.close();
  }
}

async function compared(stage: Awaited<ReturnType<typeof openStage>>, many: number): Promise<Row[]> {
  const job = { pem: stage.pem, connections: many === 1 ? 64 : 8, fresh: false, readings: many };
  const on = (stream: string) =>
    measure(stage.gatePid, { ...job, path: `/v1/streams/${stream}/readings`, port: stage.house.basePort + 3 }, runMs);
  const [ours, peers, shares, cpu] = [[], [], [], []] as number[][] as [number[], number[], number[], number[]];
  for (let round = 0; round < rounds; round++) {
    const off = await on('telemetry');
    const watched = await on('cold');
    ours.push(watched.perSecond);
    peers.push(off.perSecond);
    shares.push(1 - watched.perSecond / off.perSecond);
    cpu.push(watched.cpu / off.cpu - 1);
  }
  const middle = (values: number[]) => quantile(values, 0.5);
  const percent = (share: number) => `${rounded(100 * share)} %`;
  const what = many === 1 ? 'readings under a rule, one per request' : 'readings under a rule, NDJSON of 500';
  return [
    {
      what,
      ours: `${thousands(middle(ours))}/s: ${percent(middle(shares))} less`,
      peer: `${thousands(middle(peers))}/s (no rule)`,
      target: '≤ 10 % less',
      met: middle(shares) <= shareMax,
    },
    { what: `${what}, CPU`, ours: `${percent(middle(cpu))} more`, peer: 'no rule', target: '', met: null },
  ];
}

/** A rule that was never in force costs nothing. */
function requireEdges(file: string): void {
  const database = new DatabaseSync(file, { readOnly: true });
  const { edges } = database.prepare('SELECT count(*) AS edges FROM edges').get() as { edges: number };
  database.close();
  if (edges === 0) throw new Error('the rule found nothing: it was not in force');
}
