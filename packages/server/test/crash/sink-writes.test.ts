import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readAll } from '../../src/storage/sink/sink.contract.ts';
import { openSqliteSink } from '../../src/storage/sink.ts';
import { writeUntilKilled } from './killed-writer.ts';

const program = './writing-process.ts';

/** All that is readable once what the kill left is settled: rows of each request. `edges`: with those that were told before. */
async function storedRequests(directory: string, edges: string[]): Promise<Map<number, string[]>> {
  await using sink = await openSqliteSink(directory);
  const unsettled = await sink.unsettled();
  assert.ok(unsettled.length <= 2, `${unsettled.length} batches have no look on record`);
  for (const { batch } of unsettled) await sink.settle(batch, 'proven');
  const stored = new Map<number, string[]>();
  for (const { id, data } of await readAll(sink)) {
    const number = Number(id.split('.')[0]);
    assert.deepEqual(data, { number, row: Number(id.split('.')[1]) });
    stored.set(number, [...(stored.get(number) ?? []), id]);
  }
  for (
    let page = await sink.untold({ newest: false });
    page.edges.length > 0;
    page = await sink.untold({ newest: false })
  ) {
    edges.push(...page.edges.map(({ reading }) => reading));
    await sink.told({ edges: page.edges.map(({ number }) => number), newest: [] });
  }
  return stored;
}

test('P8: kill -9 in the middle of many writes: what resolved is there, nothing is there twice, no request is there in part', async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'portcullis-sink-'));
  context.after(() => rm(directory, { recursive: true, force: true }));
  const said = new Set<number>();
  const edges: string[] = [];
  for (const saidMin of [1, 60, 777, 2_500]) {
    const first = Math.max(0, ...said);
    for (const number of await writeUntilKilled(program, directory, first, saidMin)) said.add(number);
    const stored = await storedRequests(directory, edges);
    for (const number of said) assert.ok(stored.has(number), `request ${number} resolved and is gone`);
    for (const [number, ids] of stored) {
      const whole = Array.from({ length: 1 + (number % 7) }, (_, row) => `${number}.${row}`);
      assert.deepEqual(ids, whole, `request ${number} is there in part, or twice`);
    }
    const expected = [...stored.keys()].map((number) => `${number}.0`);
    assert.deepEqual(
      edges.toSorted(),
      expected.toSorted(),
      'the edges of what is stored are there, each once, and no other',
    );
  }
  context.diagnostic(`${said.size} requests had resolved before four kills`);
});
