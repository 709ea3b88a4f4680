import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PortcullisError } from '@portcullis/contract';
import type { LinkAnswer } from '@portcullis/device/client';
import { type GateAsker, GateReadings, type WantedReadings } from './gate-readings.ts';

const gate = { gate: 'gate-1', url: 'https://gate.example' };
const wanted: WantedReadings = { order: 'received', final: false, most: 1_000 };
const at = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, '0')}.000Z`;
const lineOf = (second: number, data = '{}') =>
  `{"id":"r${second}","receivedAt":"${at(second)}","gate":"gate-1","data":${data}}`;
const answerOf = (body: string, type = 'application/x-ndjson', status = 200): LinkAnswer => ({
  ...{ status, headers: { 'content-type': type }, body: Buffer.from(body) },
});
const problem = (reason: string) =>
  answerOf(JSON.stringify({ type: 'about:blank', title: 'x', status: 400, reason }), 'application/problem+json', 400);

/** Answers in turn; what was asked is kept. */
function askerOf(...answers: (LinkAnswer | Error)[]): GateAsker & { asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    async askGate(_url, path) {
      asked.push(path);
      const answer = answers.shift();
      if (answer === undefined) throw new Error(`nobody expected ${path}`);
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
}

async function readAll(readings: GateReadings) {
  const rows = [];
  for (;;) {
    const page = await readings.page();
    if (!page) return rows;
    rows.push(...page);
  }
}
const broke = () => new PortcullisError('server_unreachable', 'the connection broke');

test('pages are asked for by cursor, the data are their text, and the tail is told', async () => {
  const data = '{"n":12345678901234567890,"text":"\\",\\"data\\":{}}"}';
  const asker = askerOf(
    answerOf(`${lineOf(1, data)}\n${lineOf(2)}\n{"next":"9.1.2.3","tail":"9"}\n`),
    answerOf('{"next":"9.4.5.6","tail":"9"}\n'),
    answerOf(`${lineOf(3)}\n{"next":null,"tail":"9","more":"of a later version"}\n`),
  );
  const readings = new GateReadings(asker, gate, { ...wanted, subject: 'truck-17', since: at(0) });
  const rows = await readAll(readings);
  assert.deepEqual(
    rows.map(({ view }) => view.id),
    ['r1', 'r2', 'r3'],
  );
  assert.deepEqual([rows[0]?.dataText, readings.tail], [data, '9']);
  const query = `order=received&subject=truck-17&since=${encodeURIComponent(at(0))}&limit=1000`;
  assert.deepEqual(
    asker.asked,
    ['', '&after=9.1.2.3', '&after=9.4.5.6'].map((after) => `/v1/readings?${query}${after}`),
  );
});

test('a page whose connection broke is asked for again once, then by who calls again; nothing is there twice', async () => {
  const asker = askerOf(
    broke(),
    answerOf(`${lineOf(1)}\n{"next":"9.1.2.3","tail":"9"}\n`),
    ...[broke(), broke()],
    answerOf(`${lineOf(2)}\n{"next":null,"tail":"9"}\n`),
  );
  const readings = new GateReadings(asker, gate, wanted);
  assert.equal((await readings.page())?.length, 1);
  await assert.rejects(readings.page(), { code: 'server_unreachable' });
  assert.deepEqual(
    (await readAll(readings)).map(({ view }) => view.id),
    ['r2'],
  );
});

for (const [what, body] of [
  ['is cut', lineOf(1)],
  ['has no end', `${lineOf(1)}\n`],
  ['has a line that is no reading', `{"id":"r1"}\n{"next":null,"tail":"1"}\n`],
  ['is nothing', ''],
] as const) {
  test(`an answer that ${what} is malformed`, async () => {
    await assert.rejects(new GateReadings(askerOf(answerOf(body)), gate, wanted).page(), { code: 'answer_malformed' });
  });
}

const older = (second: number, data: unknown = {}) => ({
  ...{ id: `r${second}`, subject: 'truck-17', certificate: 'ab'.repeat(32), stream: 'telemetry', deviceTime: null },
  ...{ receivedAt: at(second), clock: 'unknown', instance: 'x', policy: 1, revision: 1, proof: 'proven', data },
});
const olderPage = (items: unknown[], next: string | null) =>
  answerOf(JSON.stringify({ items, next }), 'application/json');

test('a gate of an older version is read as it answers: filtered here, and named', async () => {
  const asker = askerOf(
    problem('request_malformed'),
    olderPage([older(1), older(2, { t: 1 })], '2'),
    olderPage([older(3), older(4)], null),
  );
  const rows = await readAll(new GateReadings(asker, gate, { ...wanted, stream: 's', since: at(2), until: at(4) }));
  assert.deepEqual(
    rows.map(({ view }) => [view.id, view.gate]),
    [
      ['r2', 'gate-1'],
      ['r3', 'gate-1'],
    ],
  );
  assert.equal(rows[0]?.dataText, '{"t":1}');
  assert.deepEqual(asker.asked.slice(1), [
    '/v1/readings?stream=s&limit=1000',
    '/v1/readings?stream=s&limit=1000&after=2',
  ]);
});

test('the newest of an older gate are its last, backwards', async () => {
  const asker = askerOf(
    problem('request_malformed'),
    olderPage([older(1), older(2)], '2'),
    olderPage([older(3)], null),
  );
  const rows = await readAll(new GateReadings(asker, gate, { ...wanted, order: 'newest', most: 2 }));
  assert.deepEqual(
    rows.map(({ view }) => view.id),
    ['r3', 'r2'],
  );
});

test('an older gate has no --follow, and says so', async () => {
  const readings = new GateReadings(askerOf(problem('request_malformed')), gate, { ...wanted, final: true });
  await assert.rejects(readings.page(), { message: /older version, and has no `--follow`/ });
});

test('a refusal is told as it is', async () => {
  await assert.rejects(new GateReadings(askerOf(problem('replica_stale')), gate, wanted).page(), {
    code: 'replica_stale',
  });
});
