import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { temporaryDirectory } from '../../test/certificates.ts';
import { deviceDirectory, startGate } from '../../test/gate.ts';
import { outboxBounds } from '../outbox/outbox.ts';
import type { Output } from './output.ts';
import { sendReadings } from './send-command.ts';

const { readingsMax } = outboxBounds;
before(() => {
  outboxBounds.readingsMax = 50;
});
after(() => {
  outboxBounds.readingsMax = readingsMax;
});

const range = (count: number) => Array.from({ length: count }, (_, index) => index);

async function sendMany(gate: string, count: number, waitMs: number, trace = false) {
  const file = join(temporaryDirectory(), 'readings.ndjson');
  writeFileSync(
    file,
    range(count)
      .map((value) => `${JSON.stringify({ value })}\n`)
      .join(''),
  );
  const said: { result?: Record<string, unknown>; notices: string[] } = { notices: [] };
  const output: Output = {
    result: (value) => {
      said.result = value;
    },
    notice: (words) => said.notices.push(words),
    failure: () => assert.fail('no failure is printed'),
  };
  const asked = { directory: deviceDirectory([gate]), stream: 'telemetry', route: {}, file, waitMs, trace };
  const status = await sendReadings(asked, output);
  return { status, ...said };
}

test('a file with more readings than the outbox may hold goes through as long as the gate takes them, in order', async () => {
  const gate = await startGate();
  const { status, result } = await sendMany(gate.url, 1_000, 10_000);
  assert.equal(status, 0);
  assert.deepEqual(result, { sent: 1_000, acknowledged: 1_000, refused: 0, kept: 0 });
  assert.deepEqual(gate.values(), range(1_000));
});

test('P13: with a gate that is down the outbox fills up to its bound, and what did not fit is told', async () => {
  const gate = await startGate();
  await gate.close();
  const { status, result, notices } = await sendMany(gate.url, 1_000, 100);
  assert.equal(status, 1);
  const { error, ...counts } = result ?? {};
  assert.deepEqual(counts, { sent: 50, acknowledged: 0, refused: 0, kept: 50, taken: 50 });
  assert.match(String(error), /the outbox holds 50 readings .*; it may hold 50/);
  assert.ok(notices.some((words) => /can not be reached: ECONNREFUSED/.test(words)));
});

test('with --trace it says which gate has which readings, by the ids that their rows have', async () => {
  const gate = await startGate();
  const { notices } = await sendMany(gate.url, 3, 10_000, true);
  const found = notices.flatMap(
    (words) => /^portcullis-device: telemetry: (\S+) has \d readings?: (\S+)( to (\S+))?$/.exec(words) ?? [],
  );
  assert.ok(found.length > 0, notices.join('\n'));
  assert.equal(found[1], gate.url);
  assert.equal(found[2], gate.ids()[0]);
});
