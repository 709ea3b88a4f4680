import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../../test/certificates.ts';
import { deviceDirectory, startGate } from '../../test/gate.ts';
import { start } from '../../test/program.ts';
import { type Answer, acknowledged, linesOf, type Received, refused, until } from '../../test/servers.ts';

async function run(words: string[], input: string | Buffer = '') {
  const { child, ended } = start(...words);
  child.stdin.on('error', () => undefined).end(input);
  return ended;
}

function fileOf(content: string | Buffer): string {
  const file = join(temporaryDirectory(), 'readings.ndjson');
  writeFileSync(file, content);
  return file;
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);
const lines = (from: number, to: number) =>
  range(from, to)
    .map((value) => `{"value":${value}}\n`)
    .join('');

test('P17: what send is given is what the gate gets, digit for digit', async () => {
  const gate = await startGate();
  const directory = deviceDirectory([gate.url]);
  const data = ['{"v":9007199254740993}', '{"v":12345678901234567890}', '{"v":1E+400}', '{"v":-0}', '{"v":1.10}'];
  const done = await run(['send', 'telemetry', '--device', directory], data.join('\n'));
  assert.equal(done.status, 0, done.side);
  const bodies = gate.requests.map(({ body }) => body).join('\n');
  for (const text of data) assert.ok(bodies.includes(`,${text.slice(1)}`), `${text} in ${bodies}`);
});

test('a pipe goes on behind bad lines, which are set apart as they came; the status is 1', async () => {
  const gate = await startGate();
  const directory = deviceDirectory([gate.url]);
  const input = Buffer.concat([
    Buffer.from('{"value":0}\nnoise\n{"value":1,"value":2}\n'),
    Buffer.from('{"name":"caf\xe9"}\n', 'latin1'),
    Buffer.from(`{"text":"${'x'.repeat(70_000)}"}\n{"value":1}\n`),
  ]);
  const done = await run(['send', 'telemetry', '--device', directory, '--json'], input);
  assert.equal(done.status, 1);
  assert.deepEqual(done.told, { sent: 2, acknowledged: 2, refused: 0, kept: 0, skipped: 4 });
  assert.match(done.side, /line 2: this is not JSON.*; set apart in ".*bad-lines\/telemetry\.txt"/);
  assert.match(done.side, /line 3: the member "value" stands twice/);
  assert.match(done.side, /line 4: this is not UTF-8/);
  assert.match(done.side, /line 5: the reading has 70\d+ bytes/);
  const kept = readFileSync(join(directory, 'bad-lines', 'telemetry.txt'), 'latin1');
  assert.ok(kept.startsWith('noise\n{"value":1,"value":2}\n{"name":"caf\xe9"}\n'));
  assert.deepEqual(gate.values(), [0, 1]);
});

test('--no-skip-bad ends a pipe at its first bad line, and --skip-bad goes on in a file', async () => {
  const gate = await startGate();
  const directory = deviceDirectory([gate.url]);
  const bad = `${lines(0, 2)}noise\n${lines(2, 3)}`;
  const words = ['--device', directory, '--json'];
  const pipe = await run(['send', 'telemetry', '--no-skip-bad', ...words], bad);
  assert.deepEqual([pipe.status, pipe.told.sent, pipe.told.taken], [1, 2, 2]);
  const file = await run(['send', 'telemetry', fileOf(bad), '--skip-bad', ...words]);
  assert.deepEqual([file.status, file.told.sent, file.told.skipped], [1, 3, 1]);
});

test('a file that stopped at a bad line goes on behind what was taken, once the line is mended', async () => {
  const gate = await startGate();
  const directory = deviceDirectory([gate.url]);
  const file = fileOf(`${lines(0, 3)}noise\n${lines(4, 6)}`);
  const words = ['send', 'telemetry', file, '--device', directory];
  const stopped = await run(words);
  assert.equal(stopped.status, 1);
  assert.match(stopped.side, /line 4: this is not JSON/);
  assert.match(
    stopped.side,
    /took 3 lines of ".*"; the same command with --resume goes on behind them, and with --skip-bad it sets such lines apart/,
  );
  writeFileSync(file, lines(0, 6));
  const asked = await run(words);
  assert.equal(asked.status, 2);
  assert.match(asked.side, /stopped behind line 3; say --resume to go on there, or --no-resume/);
  const done = await run([...words, '--resume']);
  assert.equal(done.status, 0, done.side);
  assert.match(done.out, /^sent 3, acknowledged 3/);
  assert.deepEqual(gate.values(), range(0, 6));
  const again = await run([...words, '--no-resume']);
  assert.match(again.out, /^sent 6, /);
});

test('--resume sends of a file that grows, or was moved, what is new, and of another file all of it', async () => {
  const gate = await startGate();
  const directory = deviceDirectory([gate.url]);
  const file = fileOf(lines(0, 2));
  const send = (path: string) => run(['send', 'telemetry', path, '--resume', '--device', directory, '--json']);
  assert.equal((await send(file)).told.sent, 2);
  assert.equal((await send(file)).told.sent, 0);
  appendFileSync(file, lines(2, 4));
  renameSync(file, `${file}.1`);
  assert.equal((await send(`${file}.1`)).told.sent, 2);
  writeFileSync(`${file}.1`, lines(10, 15));
  assert.equal((await send(`${file}.1`)).told.sent, 5);
  assert.deepEqual(gate.values(), [...range(0, 4), ...range(10, 15)]);
  const pipe = await run(['send', 'telemetry', '--resume', '--device', directory], lines(0, 1));
  assert.equal(pipe.status, 2);
});

test('a backlog that goes out is not given up, however long it is; what nothing becomes of is', async () => {
  const slowly = (received: Received) =>
    new Promise<Answer>((resolve) => setTimeout(() => resolve(acknowledged(received)), 1_300));
  const gate = await startGate(Array(100).fill(slowly));
  const directory = deviceDirectory([gate.url]);
  const words = ['send', 'telemetry', fileOf(lines(0, 4_000)), '--device', directory, '--json'];
  const begun = performance.now();
  const done = await run([...words, '--wait', '4']);
  assert.equal(done.status, 0, done.side);
  assert.deepEqual(done.told, { sent: 4_000, acknowledged: 4_000, refused: 0, kept: 0 });
  assert.ok(performance.now() - begun > 4_000, 'it went on for longer than it waits for one');
  gate.answers.splice(0, gate.answers.length, ...Array(100).fill('hang'));
  const kept = await run(['send', 'telemetry', '--device', directory, '--wait', '1'], lines(0, 1));
  assert.equal(kept.status, 1);
  assert.match(kept.out, /kept 1/);
});

for (const signal of ['SIGINT', 'SIGKILL'] as const) {
  test(`a send that ${signal} ends in the middle of a file goes on with --resume: each reading is stored once`, async () => {
    const count = 20_000;
    const gate = await startGate();
    const directory = deviceDirectory([gate.url]);
    const file = fileOf(lines(0, count));
    const { child, ended } = start('send', 'telemetry', file, '--device', directory);
    await until('some readings', () => gate.stored.length > 0, 60_000);
    child.kill(signal);
    const stopped = await ended;
    if (signal === 'SIGINT' && !/acknowledged 60000/.test(stopped.out)) {
      assert.equal(stopped.status, 1);
      assert.match(stopped.side + stopped.out, /took \d+ lines of|kept [1-9]/);
    }
    const done = await run(['send', 'telemetry', file, '--resume', '--device', directory, '--wait', '300']);
    assert.equal(done.status, 0, done.side);
    const values = new Map(gate.stored.map(({ _id, value }) => [_id as string, value]));
    assert.deepEqual(
      [...values.values()].toSorted((one, other) => Number(one) - Number(other)),
      range(0, count),
    );
    const times = new Map<unknown, unknown>();
    for (const { _id, _time } of gate.stored) assert.equal(times.get(_id) ?? _time, times.set(_id, _time).get(_id));
  });
}

test('while run holds the directory, send hands its lines to it and tells what became of them', async () => {
  const gate = await startGate();
  const directory = deviceDirectory([gate.url]);
  const daemon = start('run', '--device', directory);
  await until('the daemon', () => daemon.said.side.includes('running as truck-17'), 60_000);
  const done = await run(['send', 'telemetry', fileOf(lines(0, 5_000)), '--device', directory, '--json']);
  assert.equal(done.status, 0, done.side);
  assert.deepEqual(done.told, { sent: 5_000, acknowledged: 5_000, refused: 0, kept: 0 });
  gate.answers.push(refused(422, 'condition_not_met', { line: 1, detail: 'value < 60', expected: 60, found: 99 }));
  const no = await run(['send', 'telemetry', '--device', directory], '{"value":99}\n');
  assert.equal(no.status, 1);
  assert.match(no.side, /refused: telemetry: condition_not_met: .*: value < 60 \(expected 60, found 99\)/);
  assert.match(no.out, /sent 1, acknowledged 0, refused 1, kept 0/);
  const other = await run(['send', 'telemetry', '--via', 'http://127.0.0.1:9', '--device', directory], '{"value":1}\n');
  assert.match(other.side, /they go the way that it was told/);
  assert.equal(other.status, 0);
  daemon.child.kill('SIGTERM');
  assert.equal((await daemon.ended).status, 0);
  assert.deepEqual(gate.values(), [...range(0, 5_000), 1]);
});

test('a mistyped stream waits apart: others go on with status 0, and it can be listed, tried again and dropped', async () => {
  let known = false;
  const gate = await startGate();
  gate.answers.push(
    ...range(0, 1_000).map(
      () => (received: Parameters<typeof acknowledged>[0]) =>
        received.path.includes('telemtry') && !known ? refused(404, 'stream_unknown') : acknowledged(received),
    ),
  );
  const directory = deviceDirectory([gate.url]);
  const words = ['--device', directory, '--json'];
  const wrong = await run(['send', 'telemtry', '--wait', '1', ...words], lines(0, 3));
  assert.deepEqual([wrong.status, wrong.told.kept], [1, 3]);
  assert.match(wrong.side, /refused: telemtry: stream_unknown/);
  const right = await run(['send', 'telemetry', ...words], lines(0, 2));
  assert.equal(right.status, 0, right.side);
  assert.deepEqual(right.told, { sent: 2, acknowledged: 2, refused: 0, kept: 0 });
  assert.match(
    right.side,
    /waiting in other streams: 3 in telemtry, which no gate knows \(portcullis-device outbox list\)/,
  );
  const list = await run(['outbox', 'list', ...words]);
  const streams = list.told.streams as Record<string, unknown>[];
  assert.deepEqual(
    streams.map(({ stream, readings, state }) => [stream, readings, state]),
    [
      ['telemetry', 0, 'empty'],
      ['telemtry', 3, 'unknown'],
    ],
  );
  assert.match(String(streams[1]?.oldest), /^\d{4}-/);
  assert.match(
    (await run(['outbox', 'list', '--device', directory])).out,
    /telemtry: 3 readings, \d+ bytes, .*: no gate knows/,
  );
  const still = await run(['outbox', 'retry', 'telemtry', '--wait', '1', ...words]);
  assert.deepEqual([still.status, still.told.kept], [1, 3]);
  known = true;
  const sent = await run(['outbox', 'retry', ...words]);
  assert.deepEqual([sent.status, sent.told.acknowledged], [0, 3]);
  known = false;
  await run(['send', 'telemtry', '--wait', '1', ...words], lines(0, 4));
  const dropped = await run(['outbox', 'drop', 'telemtry', ...words]);
  assert.deepEqual([dropped.status, dropped.told.dropped], [0, 4]);
  const none = await run(['outbox', 'drop', 'telemtry', ...words]);
  assert.equal(none.status, 2);
});

test('what was refused goes again with outbox retry --refused, as the same readings, and what is refused still stays', async () => {
  const gate = await startGate();
  const directory = deviceDirectory([gate.url]);
  const words = ['--device', directory, '--json'];
  const refusing = (received: Parameters<typeof acknowledged>[0]) => {
    const line = linesOf(received.body).findIndex(({ value }) => Number(value) < 10) + 1;
    return line === 0 ? acknowledged(received) : refused(422, 'schema_not_met', { line });
  };
  gate.answers.push(...range(0, 20).map(() => refusing));
  await run(['send', 'telemetry', ...words], '{"value":1.10,"_id":"a"}\n{"value":20}\n{"value":2,"_id":"b"}\n');
  await run(['send', 'other', ...words], '{"value":3}\n');
  const old = { id: 'c', time: '2026-11-23T12:00:00.000Z', clock: 'unknown', data: { value: 4 } };
  const entry = { stream: 'telemetry', reason: 'schema_not_met', title: 'no', reading: old };
  appendFileSync(join(directory, 'refused.ndjson'), `${JSON.stringify(entry)}\n`);
  gate.answers.length = 0;
  const done = await run(['outbox', 'retry', '--refused', 'telemetry', ...words]);
  assert.equal(done.status, 0, done.side);
  assert.equal(done.told.acknowledged, 3);
  assert.deepEqual(gate.ids().slice(-3).toSorted(), ['a', 'b', 'c']);
  assert.ok(gate.requests.at(-1)?.body.includes('"value":1.10}'));
  const left = readFileSync(join(directory, 'refused.ndjson'), 'utf8').trim().split('\n');
  assert.deepEqual(
    left.map((line) => (JSON.parse(line) as { stream: string }).stream),
    ['other'],
  );
  gate.answers.push(refusing);
  const again = await run(['outbox', 'retry', '--refused', ...words]);
  assert.deepEqual([again.status, again.told.refused], [1, 1]);
});

test('damage is told by the command that finds it, with status 1; the next one is as if nothing had been', async () => {
  const gate = await startGate();
  await gate.close();
  const directory = deviceDirectory([gate.url]);
  const words = ['--device', directory, '--json'];
  await run(['send', 'telemetry', '--wait', '0', ...words], lines(0, 200));
  const segment = join(directory, 'outbox', 'telemetry', '00000001.log');
  const bytes = readFileSync(segment);
  const at = bytes.indexOf('"value":20}');
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(segment, bytes);
  const back = await startGate([], gate.port);
  const found = await run(['send', 'telemetry', '/dev/null', ...words]);
  assert.deepEqual([found.status, found.told.acknowledged, found.told.kept], [1, 199, 0]);
  assert.match(
    found.side,
    /telemetry: \d+ bytes of its outbox are damaged \(1 reading or more\), they are kept in ".*damaged/,
  );
  assert.deepEqual(
    back.values(),
    range(0, 200).filter((value) => value !== 20),
  );
  assert.equal((await run(['send', 'telemetry', '/dev/null', ...words])).status, 0);
});
