import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type ReadingView, VerdictsDropped, VerdictView } from '@portcullis/contract';
import { fingerprintNamed } from '../../../../test/fed-replica.ts';
import { OpenFront, until } from '../../../../test/open-front.ts';
import { answerMs } from '../../../bounds/bounds.ts';
import { requestOf, writeOf } from '../../../storage/sink/sink.contract.ts';
import { realSystem } from '../../../telemetry/telemetry.ts';
import { operatorPaths } from './operators.ts';

const off = (subject: string) => ({ subject, attributes: { status: { value: 'off' } } });
const operator = (gate: OpenFront) => gate.device('operator-1', { kind: 'operator', attributes: {} });

test('what was acknowledged is in the answer to who asks for readings right after it', async (context) => {
  const gate = await OpenFront.open(context);
  const [agent, asking] = [gate.agent(await gate.device('truck-17')), gate.agent(await operator(gate))];
  for (let count = 1; count <= 5; count++) {
    assert.equal((await gate.post(agent, `{"n":${count}}`)).status, 202);
    for (const order of ['stored', 'received']) {
      const { body } = await gate.get(asking, `/v1/readings?order=${order}`);
      assert.equal((body as unknown as { items: unknown[] }).items.length, count, order);
    }
  }
  agent.destroy();
  asking.destroy();
});

test('each route admits operators alone, and the refusal of another kind is counted and ends the connection', async (context) => {
  const gate = await OpenFront.open(context);
  const agent = gate.agent(await gate.device('truck-17'));
  for (const path of operatorPaths) {
    const { status, body, headers } = await gate.get(agent, path);
    assert.deepEqual([status, body.reason, headers.connection], [403, 'kind_not_admitted', 'close'], path);
  }
  assert.equal(gate.verdicts.refusals.get('kind_not_admitted'), operatorPaths.length);
  agent.destroy();
});

test('an operator may not send readings, and what no route serves is told what there is', async (context) => {
  const gate = await OpenFront.open(context);
  const agent = gate.agent(await operator(gate));
  const sent = await gate.post(agent, '{}');
  assert.deepEqual([sent.status, sent.body.reason], [403, 'kind_not_admitted']);
  const nowhere = await gate.get(agent, '/v1/nowhere');
  assert.deepEqual([nowhere.status, nowhere.body.reason], [404, 'route_unknown']);
  assert.match(
    nowhere.body.detail ?? '',
    /POST \/v1\/streams\/\{stream\}\/readings, POST \/v1\/streams\/\{stream\}\/sealed, GET \/v1\/explain/,
  );
  assert.equal((await gate.ask(agent, 'DELETE', '/v1/readings')).status, 405);
  assert.equal((await gate.get(agent, '/toString')).status, 404);
  agent.destroy();
});

test('each route refuses what its query does not take, by name where it takes nothing else', async (context) => {
  const gate = await OpenFront.open(context);
  const agent = gate.agent(await operator(gate));
  for (const path of operatorPaths) {
    const { status, body } = await gate.get(agent, `${path}?colour=red`);
    assert.deepEqual([status, body.reason], [400, 'request_malformed'], path);
    const needsMore = ['/v1/trials', '/v1/sightings'].includes(path);
    if (!needsMore) assert.match(String(body.detail), /^querystring: Unrecognized key: "colour"/, path);
  }
  agent.destroy();
});

test('P10: explain says what would be decided, by what, at which revision, changed by whom and when', async (context) => {
  const gate = await OpenFront.open(context);
  const agent = gate.agent(await operator(gate));
  const leaf = await gate.device('truck-17');
  const explain = async (query: string) => (await gate.get(agent, `/v1/explain?${query}`)).body.items as VerdictView[];
  const [admitted] = await explain('subject=truck-17');
  assert.deepEqual(
    [VerdictView.parse(admitted).verdict, admitted?.reason, admitted?.stream],
    ['admitted', null, 'telemetry'],
  );
  gate.change(off('truck-17'));
  const [refused] = await explain(`certificate=${leaf.fingerprint}&stream=telemetry`);
  const { at: _at, changedAt, ...rest } = VerdictView.parse(refused);
  assert.deepEqual(rest, {
    ...{ gate: 'gate-1', subject: 'truck-17', certificate: leaf.fingerprint, stream: 'telemetry', verdict: 'refused' },
    ...{ reason: 'attribute_not_expected', expected: { status: 'active' }, found: { status: 'off' } },
    ...{ revision: 3, changedBy: 'operator-1', count: 1 },
  });
  assert.ok(changedAt);
  gate.change({ subject: 'truck-17', attributes: { status: { value: null } } });
  const [unset] = await explain('subject=truck-17');
  assert.deepEqual(
    [unset?.reason, unset?.expected, unset?.found, unset?.revision, unset?.changedBy],
    ['attribute_missing', { status: 'active' }, { status: null }, 4, 'operator-1'],
  );
  gate.change({ subject: 'truck-17', certificates: [{ ...leaf, standing: 'revoked' }] });
  const [revoked] = await explain('subject=truck-17');
  assert.deepEqual(
    [revoked?.reason, revoked?.expected, revoked?.found, revoked?.revision],
    ['certificate_revoked', 'valid', 'revoked', 5],
  );
  assert.equal((await explain('subject=truck-17&stream=nowhere'))[0]?.reason, 'certificate_revoked');
  agent.destroy();
});

const wrong: [string, number, string][] = [
  ['', 400, 'usage'],
  ['subject=a&certificate=b', 400, 'request_malformed'],
  ['subject=nobody', 404, 'subject_unknown'],
  [`certificate=${fingerprintNamed('nobody')}`, 404, 'certificate_unknown'],
  ['subjekt=truck-17', 400, 'request_malformed'],
];
for (const [query, status, reason] of wrong) {
  test(`explain?${query.slice(0, 40)}: ${reason}`, async (context) => {
    const gate = await OpenFront.open(context);
    const agent = gate.agent(await operator(gate));
    const answer = await gate.get(agent, `/v1/explain?${query}`);
    assert.deepEqual([answer.status, answer.body.reason], [status, reason]);
    agent.destroy();
  });
}

test('readings and kept refusals are read in pages', async (context) => {
  const gate = await OpenFront.open(context);
  const leaf = await gate.device('truck-17');
  const [agent, device] = [gate.agent(await operator(gate)), gate.agent(leaf)];
  for (let t = 0; t < 5; t++) await gate.post(device, `{"t":${t}}`);
  await gate.stored();
  const seen: number[] = [];
  for (let after: string | null = '0'; after !== null; ) {
    const { body } = await gate.get(agent, `/v1/readings?stream=telemetry&subject=truck-17&limit=2&after=${after}`);
    seen.push(...(body.items as ReadingView[]).map(({ data }) => data.t as number));
    after = body.next as string | null;
  }
  assert.deepEqual(seen, [0, 1, 2, 3, 4]);
  gate.change(off('truck-17'));
  // The change ends the open connection, so that the refusal is asked for over another one.
  const again = gate.agent(leaf);
  assert.equal((await gate.post(again, '{}')).status, 403);
  await gate.verdicts.flush();
  const { body } = await gate.get(agent, '/v1/verdicts?subject=truck-17');
  assert.deepEqual(
    (body.items as VerdictView[]).map(({ reason, count }) => [reason, count]),
    [['attribute_not_expected', 1]],
  );
  for (const one of [agent, device, again]) one.destroy();
});

test('a reading is given back as it was stored, digit for digit: as a page that knows no further member, and as lines', async (context) => {
  const gate = await OpenFront.open(context);
  const agent = gate.agent(await operator(gate));
  const data =
    '{"b":9007199254740993,"m":12345678901234567890,"x":1E+400,"z":-0,"d":0.1234567890123456789012345,"9":1}';
  const rows: [string | null, unknown][] = [
    ['a', {}],
    ['b', {}],
  ];
  await gate.sink.write(writeOf(1, [requestOf(rows, { data: [data, '{}'] })], { looked: 1, proven: 1 }));
  const first = await gate.text(agent, '/v1/readings?limit=1');
  const members = '"deviceTime":null,"receivedAt":"1970-01-01T00:00:01.000Z","clock":"synchronized","instance":"first"';
  const whose = `"subject":"truck-17","certificate":"${'ab'.repeat(32)}","stream":"telemetry"`;
  const reading = `{"id":"a",${whose},${members},"policy":3,"revision":7,"proof":"proven","sealed":false,"carriedBy":null`;
  const count = '"sequence":null,"run":null';
  assert.deepEqual(first, ['application/json', `{"items":[${reading},${count},"data":${data}}],"next":"1"}`]);
  const lines = await gate.text(agent, '/v1/readings?order=received&limit=1', { accept: 'application/x-ndjson' });
  const end = '{"next":"2.1000.1.1","tail":"2"}';
  assert.deepEqual(lines, ['application/x-ndjson', `${reading},"gate":"gate-1",${count},"data":${data}}\n${end}\n`]);
  assert.deepEqual(await gate.text(agent, '/v1/readings?subject=nobody'), [
    'application/json',
    '{"items":[],"next":null}',
  ]);
  agent.destroy();
});

test('lines come in turns, as many as are asked for or as an answer holds, and go on where the last one ended', async (context) => {
  const gate = await OpenFront.open(context);
  const agent = gate.agent(await operator(gate));
  const large = JSON.stringify({ text: 'x'.repeat(2_000) });
  const rows = Array.from({ length: 2_500 }, (_, index): [string, unknown] => [`r${index}`, {}]);
  await gate.sink.write(writeOf(1, [requestOf(rows, { data: rows.map(() => large) })], { looked: 1, proven: 1 }));
  const ids: string[] = [];
  const counts: number[] = [];
  for (let query: string | undefined = 'order=received&limit=1200'; query !== undefined; ) {
    const [, text] = await gate.text(agent, `/v1/readings?${query}`, { accept: 'application/x-ndjson' });
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { id: string; next: string | null });
    const next = lines.pop()?.next ?? null;
    ids.push(...lines.map(({ id }) => id));
    counts.push(lines.length);
    query = next === null ? undefined : `order=received&limit=10000&after=${next}`;
  }
  assert.deepEqual(
    ids,
    rows.map(([id]) => id),
  );
  assert.deepEqual(counts, [1_200, 1_300]);
  agent.destroy();
});

const wrongReadings: [query: string, detail: RegExp][] = [
  ['since=yesterday', /since/],
  ['since=2026-01-01', /since/],
  ['order=oldest', /order/],
  ['after=a', /after/],
  ['after=1.2', /not where a page/],
  ['order=received&after=7', /not where a page/],
  ['limit=10001', /limit/],
  ['final=0', /final/],
  ['streams=telemetry', /streams/],
];
for (const [query, detail] of wrongReadings) {
  test(`readings?${query} is refused, by name`, async (context) => {
    const gate = await OpenFront.open(context);
    const agent = gate.agent(await operator(gate));
    const { status, body } = await gate.get(agent, `/v1/readings?${query}`);
    assert.deepEqual([status, body.reason], [400, 'request_malformed']);
    assert.match(body.detail ?? '', detail);
    agent.destroy();
  });
}

test('metrics are in the format of Prometheus', async (context) => {
  const gate = await OpenFront.open(context);
  const [agent, device] = [gate.agent(await operator(gate)), gate.agent(await gate.device('truck-17'))];
  await gate.post(device, '{}');
  await gate.post(device, '{', {});
  const { body, headers } = await gate.get(agent, '/v1/metrics');
  assert.match(headers['content-type'] ?? '', /^text\/plain; version=0\.0\.4/);
  assert.match(String(body.text), /^portcullis_gate_admitted_total 1$/m);
  assert.match(String(body.text), /^portcullis_gate_refused_total\{reason="reading_malformed"\} 1$/m);
  for (const name of ['dropped', 'untold'])
    assert.match(String(body.text), new RegExp(`^portcullis_gate_verdicts_${name}_total 0$`, 'm'));
  for (const one of [agent, device]) one.destroy();
});

async function watch(gate: OpenFront, leaf: Awaited<ReturnType<typeof operator>>, query = '') {
  const socket = await gate.socket(leaf);
  const seen: VerdictView[] = [];
  const dropped: number[] = [];
  createInterface({ input: socket }).on('line', (line) => {
    if (line.startsWith('{"at":') && line.includes('"dropped":'))
      dropped.push(VerdictsDropped.parse(JSON.parse(line)).dropped);
    else if (line.startsWith('{')) seen.push(VerdictView.parse(JSON.parse(line)));
  });
  socket.write(`GET /v1/verdicts?follow=1${query} HTTP/1.1\r\nhost: x\r\n\r\n`);
  await once(socket, 'data');
  return { socket, seen, dropped };
}

const sum = (numbers: number[]) => numbers.reduce((total, one) => total + one, 0);

test('verdicts are watched as they happen, of one subject if asked', async (context) => {
  const gate = await OpenFront.open(context);
  const leaf = await operator(gate);
  const [all, one] = [await watch(gate, leaf), await watch(gate, leaf, '&subject=truck-18')];
  const cut = await gate.device('truck-17');
  const [first, second] = [gate.agent(cut), gate.agent(await gate.device('truck-18'))];
  await gate.post(first, '{}');
  await gate.post(second, '{}');
  gate.change(off('truck-17'));
  const again = gate.agent(cut);
  assert.equal((await gate.post(again, '{}')).status, 403);
  await until(() => all.seen.length >= 3 && one.seen.length >= 1, 'the lines have come');
  assert.deepEqual(
    all.seen.map(({ subject, verdict }) => [subject, verdict]),
    [
      ['truck-17', 'admitted'],
      ['truck-18', 'admitted'],
      ['truck-17', 'refused'],
    ],
  );
  assert.deepEqual(
    one.seen.map(({ subject }) => subject),
    ['truck-18'],
  );
  for (const { socket } of [all, one]) socket.destroy();
  for (const agent of [first, second, again]) agent.destroy();
});

test('A8: the stream of an operator ends when the operator is suspended, and that of another goes on', async (context) => {
  const gate = await OpenFront.open(context);
  const leaf = await operator(gate);
  const other = await gate.device('operator-2', { kind: 'operator', attributes: {} });
  const [cut, left] = [await watch(gate, leaf), await watch(gate, other)];
  gate.change({ subject: 'operator-1', kind: 'operator', certificates: [{ ...leaf, standing: 'suspended' }] });
  await once(cut.socket, 'close');
  assert.equal(left.socket.destroyed, false);
  const agent = gate.agent(leaf);
  const { status, body } = await gate.get(agent, '/v1/readings');
  assert.deepEqual([status, body.reason], [403, 'not_admitted']);
  left.socket.destroy();
  agent.destroy();
});

test('A8: a watch is judged for each verdict: without a lease it is told nothing, and one that may not see it ends', async (context) => {
  const gate = await OpenFront.open(context);
  const leaf = await operator(gate);
  const { socket, seen } = await watch(gate, leaf);
  const tell = (name: string) =>
    gate.verdicts.refused('overrun', name, null, 1, () => ({
      ...{ subject: name, certificate: null, stream: null, verdict: 'refused', reason: 'overrun', expected: null },
      ...{ found: null, revision: 1, changedBy: null, changedAt: null },
    }));
  gate.lease.end();
  tell('without-a-lease');
  gate.grant();
  tell('with-a-lease');
  await until(() => seen.length > 0, 'a line has come');
  assert.deepEqual(
    seen.map(({ subject }) => subject),
    ['with-a-lease'],
  );
  // The replica knows, and nothing has judged the connection yet.
  gate.fed.change([{ subject: 'operator-1', kind: 'operator', certificates: [{ ...leaf, standing: 'suspended' }] }]);
  tell('not-for-him');
  await once(socket, 'close');
  assert.equal(seen.length, 1);
});

test('P13: a watcher who does not read costs lines and no memory, and is told how many when he reads again', async (context) => {
  const gate = await OpenFront.open(context);
  const { socket, seen, dropped } = await watch(gate, await operator(gate));
  const { counters } = gate.verdicts;
  const tell = (name: string, found: string) =>
    gate.verdicts.refused('overrun', name, null, 1, () => ({
      ...{ subject: null, certificate: null, stream: null, verdict: 'refused', reason: 'overrun', expected: null },
      ...{ found, revision: 1, changedBy: null, changedAt: null },
    }));
  socket.pause();
  let [told, wave] = [0, 0];
  await until(async () => {
    wave++;
    for (let index = 0; index < 1_000; index++) tell(`${wave}-${index}`, 'x'.repeat(2_000));
    told += 1_000;
    await gate.verdicts.flush();
    return counters.untold > 0;
  }, 'there is no room for more');
  socket.resume();
  await until(() => dropped.length > 0, 'he is told what he missed');
  tell('now', '');
  await until(() => seen.length + sum(dropped) === told + 1, 'all was told, or counted');
  assert.equal(sum(dropped), counters.untold);
  assert.equal(seen.at(-1)?.found, '');
  socket.destroy();
});

test('P13: so many watch a gate; one more is told so, and may when one is gone', async (context) => {
  const gate = await OpenFront.open(context, { limits: { connectionsPerCertificateMax: 20 } });
  const leaf = await operator(gate);
  const watching = await Promise.all(Array.from({ length: 16 }, () => watch(gate, leaf)));
  const agent = gate.agent(leaf);
  const { status, body } = await gate.get(agent, '/v1/verdicts?follow=1');
  assert.deepEqual([status, body.reason], [503, 'watchers_full']);
  watching[0]?.socket.destroy();
  await until(() => gate.connections.size === 16, 'one is gone');
  watching.push(await watch(gate, leaf));
  for (const { socket } of watching) socket.destroy();
  agent.destroy();
});

test('P13: an answer that its operator never reads ends with its connection', async (context) => {
  const { monotonic } = realSystem;
  let skippedMs = 0;
  context.mock.method(realSystem, 'monotonic', () => monotonic() + skippedMs);
  const gate = await OpenFront.open(context, { limits: { requestMs: 100 } });
  const large = JSON.stringify({ text: 'x'.repeat(40_000) });
  const rows = Array.from({ length: 400 }, (_, index): [string, unknown] => [`r${index}`, {}]);
  await gate.sink.write(writeOf(1, [requestOf(rows, { data: rows.map(() => large) })], { looked: 1, proven: 1 }));
  const socket = await gate.socket(await operator(gate));
  // Some twenty megabytes: more than the kernels of both sides take.
  socket.write('GET /v1/readings HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(40));
  await once(socket, 'readable');
  skippedMs += answerMs;
  await pause(500);
  assert.equal(gate.connections.size, 1, 'a long one has longer');
  await until(() => {
    skippedMs += 10_000;
    return gate.connections.size === 0;
  }, 'it is ended');
  socket.destroy();
});
