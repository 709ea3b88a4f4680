/** The peer of the gate: a bare `node:https` server with mTLS that parses the same body and commits it the same way, and judges nothing. */
import { mkdtempSync, readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteSink, type SinkRequest } from '../packages/server/src/storage/sink.ts';

const [pem = '', key = '', certificate = ''] = process.argv.slice(2);
const sink = await openSqliteSink(mkdtempSync(join(tmpdir(), 'portcullis-bare-')));
let waiting: { request: SinkRequest; answer(): void }[] = [];
let busy = false;
let batch = 0;

function commit(): void {
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
      commit();
    });
}

function parse(body: string): SinkRequest {
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

const server = createServer(
  {
    key: readFileSync(key),
    cert: readFileSync(certificate),
    ca: readFileSync(join(pem, 'trust.pem')),
    requestCert: true,
    minVersion: 'TLSv1.3',
  },
  (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const parsed = parse(Buffer.concat(chunks).toString());
      const body = JSON.stringify({ acknowledged: parsed.ids.length, ids: parsed.ids, revision: 1 });
      const answer = () => {
        response.writeHead(202, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
        response.end(body);
      };
      waiting.push({ request: parsed, answer });
      commit();
    });
  },
);
server.listen(0, '127.0.0.1', () => process.send?.(server.address()));
process.on('disconnect', () => process.exit());
