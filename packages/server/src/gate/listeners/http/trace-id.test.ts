/** One name of a request, from its sender's log over the gate's to its rows. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { OpenFront } from '../../../../test/open-front.ts';
import { readAll } from '../../../storage/sink/sink.contract.ts';

const lines = 'application/x-ndjson';

async function open(context: TestContext) {
  const log: Record<string, unknown>[] = [];
  const gate = await OpenFront.open(context, { logTo: { write: (line) => void log.push(JSON.parse(line)) } });
  const agent = gate.agent(await gate.device('truck-17'));
  context.after(() => agent.destroy());
  const post = (body: string, headers: Record<string, string> = {}) => gate.post(agent, body, { headers });
  return { gate, log, post };
}

test('a request keeps the name that its sender gave it: in the answer, and in the log beside the keys of its rows', async (context) => {
  const { gate, log, post } = await open(context);
  const stored = await post('{"_id":"a","t":1}\n{"_id":"b","t":2}\n', {
    'content-type': lines,
    'x-request-id': 'job-7',
  });
  assert.deepEqual([stored.status, stored.headers['x-request-id']], [202, 'job-7']);
  const [line] = log.filter(({ traceId }) => traceId === 'job-7');
  const { msg, subject, stream, readings, first, last, revision, receivedAt } = line ?? {};
  assert.deepEqual(
    { msg, subject, stream, readings, first, last, revision },
    {
      msg: 'readings are stored',
      subject: 'truck-17',
      stream: 'telemetry',
      readings: 2,
      first: 'a',
      last: 'b',
      revision: 1,
    },
  );
  assert.equal((await gate.stored()).length, 2);
  assert.deepEqual(
    (await readAll(gate.sink)).map((row) => [row.id, row.subject, row.stream, row.receivedAt]),
    ['a', 'b'].map((id) => [id, subject, stream, receivedAt]),
  );
});

test('who is refused is told the name of the request in the log, also where he gave none', async (context) => {
  const { log, post } = await open(context);
  const refused = await post('{"_id":"a","t":');
  const traceId = String(refused.headers['x-request-id']);
  assert.deepEqual([refused.status, /^c{20}-[0-9a-z]+$/.test(traceId)], [400, true]);
  const found = log.filter((line) => line.traceId === traceId);
  assert.deepEqual(
    found.map(({ msg, subject, stream, reason }) => [msg, subject, stream, reason]),
    [['readings are refused', 'truck-17', 'telemetry', 'reading_malformed']],
  );
  const named = await post('{"_id":"a","t":', { 'x-request-id': 'job-8' });
  assert.equal(named.headers['x-request-id'], 'job-8');
});

test('an answer to somebody who gave no name has no more bytes than it needs', async (context) => {
  const { post } = await open(context);
  const { status, headers } = await post('{"t":1}');
  assert.deepEqual([status, headers['x-request-id']], [202, undefined]);
});

for (const bad of ['', ' ', 'a b', 'x'.repeat(129), '"', 'a\tb', '{}', 'ä']) {
  test(`a name that is none is not taken: ${JSON.stringify(bad.slice(0, 9))} of ${bad.length}`, async (context) => {
    const { log, post } = await open(context);
    const { status, headers } = await post('{"t":1}', { 'x-request-id': Buffer.from(bad).toString('latin1') });
    assert.deepEqual([status, headers['x-request-id']], [202, undefined]);
    const [line] = log.filter(({ msg }) => msg === 'readings are stored');
    assert.match(String(line?.traceId), /^c{20}-/);
  });
}
