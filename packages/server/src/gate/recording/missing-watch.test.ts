import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { MissingWatch } from './missing-watch.ts';

const log = pino({ level: 'silent' });

test('of whom readings have been missing for a minute is told; what is late by less is on its way', async () => {
  const asked: number[] = [];
  const sink = {
    async oldestMissing(before: number) {
      asked.push(before);
      return [{ subject: 'pump-1', readings: 3, since: 1_000 }];
    },
  };
  const watch = new MissingWatch({ sink, now: () => 100_000, log });
  assert.deepEqual(watch.told, []);
  await watch.look();
  assert.deepEqual(asked, [40_000]);
  assert.deepEqual(watch.told, [{ subject: 'pump-1', readings: 3, since: '1970-01-01T00:00:01.000Z' }]);
});

test('a sink that can not be asked leaves what was told', async () => {
  let fails = false;
  const sink = {
    async oldestMissing() {
      if (fails) throw new Error('the thread of the sink has ended');
      return [{ subject: 'pump-1', readings: 1, since: 0 }];
    },
  };
  const watch = new MissingWatch({ sink, now: () => 100_000, log });
  await watch.look();
  fails = true;
  await watch.look();
  assert.equal(watch.told.length, 1);
});
