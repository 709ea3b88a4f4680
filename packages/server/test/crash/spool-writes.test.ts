import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readAll } from '../../src/storage/sink/sink.contract.ts';
import { temporaryDirectory } from '../../src/storage/store/store.contract.ts';
import { Scene } from '../spool-scene.ts';
import { writeUntilKilled } from './killed-writer.ts';

const program = './spooling-process.ts';

test('P8: kill -9 while readings wait, are drained, or go to the sink again: what was acknowledged is there once, in the order of its sender', async (context) => {
  const directory = await temporaryDirectory(context);
  const said = new Set<number>();
  for (const saidMin of [3, 20, 37, 45, 52, 61, 70, 88, 110, 163]) {
    const first = Math.max(0, ...said);
    for (const number of await writeUntilKilled(program, directory, first, saidMin)) said.add(number);
    const scene = new Scene(directory);
    await using sink = await scene.open();
    for (const { batch } of await sink.unsettled()) await sink.settle(batch, 'unproven');
    await scene.drained(sink);
    const readings = await readAll(sink);
    const ids = readings.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length, 'nothing is there twice');
    for (const number of said)
      for (let row = 0; row < 1 + (number % 5); row++)
        assert.ok(ids.includes(`${number}.${row}`), `${number}.${row} was acknowledged and is gone, after ${saidMin}`);
    for (const subject of ['truck-0', 'truck-1', 'truck-2']) {
      const own = readings.filter((one) => one.subject === subject).map(({ id }) => Number(id.split('.')[0]));
      assert.deepEqual(
        own,
        own.toSorted((one, other) => one - other),
        `${subject} after ${saidMin}`,
      );
    }
  }
  context.diagnostic(`${said.size} requests were acknowledged before ten kills`);
});
