/** What the bare peers of a gate do with readings: the same sink, the same groups, and no look at anything. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteSink, type SinkRequest } from '../packages/server/src/storage/sink.ts';

const sink = await openSqliteSink(mkdtempSync(join(tmpdir(), 'portcullis-bare-')));
let waiting: { request: SinkRequest; answer(): void }[] = [];
let busy = false;
let batch = 0;

/** `answer` is called once it is durable. */
export function commit(request: SinkRequest, answer: () => void): void {
  waiting.push({ request, answer });
  next();
}

function next(): void {
  if (busy || waiting.length === 0) return;
  busy = true;
  const group = waiting;
  waiting = [];
  void sink
    .write({
      batch: ++batch,
      instance: 'bare',
      looked: batch - 1,
      quarantine: [],
      proven: batch - 1,
      unproven: [],
      requests: group.map(({ request }) => request),
    })
    .then(() => {
      for (const { answer } of group) answer();
      busy = false;
      next();
    });
}

/** One reading a line. */
export function parse(body: string): SinkRequest {
  const readings = body.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
  return {
    ...{
      subject: 'truck-17',
      certificate: 'bare',
      stream: 'telemetry',
      receivedAt: Date.now(),
      policy: 1,
      revision: 1,
      carriedBy: null,
      sealed: false,
    },
    ids: readings.map(({ _id }) => String(_id)),
    given: readings.map(() => true),
    deviceTimes: readings.map(() => null),
    clocks: readings.map(() => 'unknown' as const),
    sequences: readings.map(() => null),
    runs: readings.map(() => null),
    data: readings.map(({ _id, ...data }) => JSON.stringify(data)),
    watched: [],
  };
}
