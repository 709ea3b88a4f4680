import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { PortcullisError } from '@portcullis/contract';
import { createLog, realSystem } from '../telemetry/telemetry.ts';
import { StandingBy } from './standing-by.ts';

test('who stands by at a database that refuses it says so once, however often it looks, and again when that is another thing', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const lines: string[] = [];
  let why = 'no such database';
  const refuse = async () => {
    throw new PortcullisError('store_unavailable', why);
  };
  const standing = await new StandingBy({
    ...{ beside: { read: refuse, write: refuse, requireChanges: refuse }, headFile: '', hosts: [] },
    ...{ keyAlgorithm: 'p-256', listen: { host: '127.0.0.1', apiPort: 0, enrolmentPort: 0 }, system: realSystem },
    keys: { against: async () => undefined },
    readConfig: () => assert.fail('nothing was seen'),
    log: createLog({ role: 'authority', level: 'info' }, { write: (line: string) => void lines.push(line) }),
  }).open();
  const looks = async (times: number) => {
    for (let look = 0; look < times; look++) {
      context.mock.timers.tick(1_000);
      for (let turns = 0; turns < 10; turns++) await turn();
    }
  };
  await looks(5);
  assert.equal(lines.length, 2, lines.join(''));
  why = 'a wrong password';
  await looks(5);
  assert.deepEqual(
    lines.map((line) => [/can not listen|will not lead/.exec(line)?.[0], line.includes('a wrong password')]),
    [false, true].flatMap((isLater) => ['will not lead', 'can not listen'].map((words) => [words, isLater])),
  );
  await standing[Symbol.asyncDispose]();
});
