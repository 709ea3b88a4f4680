import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failures, PortcullisError } from '@portcullis/contract';
import type { Log } from '../telemetry/telemetry.ts';
import { FailedRequests } from './failed-requests.ts';

function failing() {
  const lines: Record<string, unknown>[] = [];
  let now = 0;
  const log = { error: (line: Record<string, unknown>) => lines.push(line) } as unknown as Log;
  const failed = new FailedRequests(log, { monotonic: () => now });
  const fails = (code: 'store_unavailable' | 'not_leader' | 'internal') =>
    failed.note(new PortcullisError(code, failures[code].title), code, failures[code].title);
  const passes = (milliseconds: number) => {
    now += milliseconds;
  };
  return { lines, fails, passes };
}

test('while all requests fail alike a line says so, and the next one how many there were', () => {
  const { lines, fails, passes } = failing();
  for (let count = 0; count < 500; count++) fails('store_unavailable');
  fails('not_leader');
  passes(10_000);
  fails('store_unavailable');
  const why = failures.store_unavailable.title;
  assert.deepEqual(
    lines.map(({ err: _, ...line }) => line),
    [
      { code: 'store_unavailable', why },
      { code: 'not_leader', why: failures.not_leader.title },
      { code: 'store_unavailable', why, notWritten: 499 },
    ],
  );
});

test('what was not foreseen is told each time, with where it came from', () => {
  const { lines, fails } = failing();
  fails('internal');
  fails('internal');
  assert.equal(lines.length, 2);
  assert.ok(lines.every(({ err }) => err instanceof Error));
});
