import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { temporaryDirectory } from '../test/certificates.ts';
import { startEnrolment } from '../test/enrolment.ts';
import { deviceDirectory, fleet, openDevice, startGate } from '../test/gate.ts';
import { start } from '../test/program.ts';
import { refused, until } from '../test/servers.ts';
import { credentialFileIn, readCredential } from './credential/credential.ts';
import { main } from './main.ts';

/** Without standard input, and in this process. */
async function runHere(words: string[]) {
  const [out, side] = [new PassThrough(), new PassThrough()];
  const status = await main(words, out, side);
  return { status, out: await text(out.end()), side: await text(side.end()) };
}

function fileOf(content: string): string {
  const file = join(temporaryDirectory(), 'content');
  writeFileSync(file, content);
  return file;
}

async function run(words: string[], input = '') {
  const { child, ended } = start(...words);
  child.stdin.on('error', () => undefined).end(input);
  return ended;
}

function summaryOf(out: string): Record<string, unknown> {
  return JSON.parse(out) as Record<string, unknown>;
}

const lines = (...values: unknown[]) => values.map((value) => JSON.stringify({ value })).join('\n');

for (const [words, side] of [
  [[], /name a command/],
  [['sned'], /"sned" is unknown; it must be one of \[enrol, send, run, carry, outbox, export, verify\]/],
  [['enrol'], /usage: portcullis-device enrol TOKEN\|@FILE\|-/],
  [['send'], /usage: portcullis-device send STREAM/],
  [['carry'], /say where devices hand over: --listen HOST:PORT/],
  [['carry', '--listen', '8088'], /say where devices hand over: --listen HOST:PORT/],
  [
    ['send', 'telemetry', '--via', 'https://gw.example'],
    /--via "https:\/\/gw\.example" is not an address that begins with http:\/\//,
  ],
  [['send', 'telemetry', '--via', 'http://gw.example', '--mqtt'], /--via is a way of its own/],
  [['run', 'now'], /usage: portcullis-device run/],
  [['send', 'telemetry', '--wait', 'long'], /--wait long is not a number of seconds/],
  [['run', '--metrics', '--interval', '0'], /from 0\.1 to 86400/],
  [['run', '--insecure'], /--insecure/],
  [['enrol', '@/nonexistent/token'], /couldn't read "\/nonexistent\/token": ENOENT/],
  [['send', 'telemetry', '/nonexistent/file'], /couldn't read "\/nonexistent\/file": ENOENT/],
] as const) {
  test(`"portcullis-device ${words.join(' ')}" is wrong usage: status 2, and it says what is allowed`, async () => {
    const done = await runHere([...words]);
    assert.equal(done.status, 2, done.side);
    assert.match(done.side, side);
    assert.equal(done.out, '');
  });
}

test('--help names every command and option', async () => {
  const { status, out } = await runHere(['--help']);
  assert.equal(status, 0);
  for (const word of ['enrol', 'send', 'run', 'export', '--device', '--json', '--wait', '--stream', '--interval']) {
    assert.ok(out.includes(word), word);
  }
});

test('a token from a file or a pipe becomes a credential, proven at a gate, and export gives it to other tools', async () => {
  const authority = await startEnrolment(fleet);
  const gate = await startGate([{ status: 404 }]);
  authority.wishes.gates = [gate.url];
  const directory = join(temporaryDirectory(), 'device');
  const first = await runHere(['enrol', `@${fileOf(`${authority.token}\n`)}`, '--device', directory, '--json']);
  assert.equal(first.status, 0, first.side);
  const { subject, kind, proven, gate: provenBy, ...more } = summaryOf(first.out);
  assert.deepEqual([subject, kind, proven, provenBy], ['truck-17', 'device', true, gate.url]);
  assert.doesNotMatch(JSON.stringify(more), /PRIVATE|secret/);
  assert.deepEqual(readdirSync(directory).sort(), ['credential.json', 'device.lock']);
  await gate.close();
  const occupied = await run(['enrol', '-', '--device', directory], authority.token);
  assert.equal(occupied.status, 1);
  assert.match(occupied.side, /holds the credential of "truck-17" of "plant"; .* \(credential_exists\)/);
  const again = await run(['enrol', '-', '--replace', '--device', directory], authority.token);
  assert.equal(again.status, 0, again.side);
  assert.match(again.side, /what was there before is in ".*replaced\/truck-17-1"/);
  assert.match(again.out, /enrolled as truck-17 of plant until .*; no gate has seen it yet: .*can not be reached/);
  const exported = join(temporaryDirectory(), 'pem');
  const { status } = await runHere(['export', exported, '--device', directory, '--json']);
  assert.equal(status, 0);
  assert.deepEqual(readdirSync(exported).sort(), ['cert.pem', 'key.pem', 'root.pem']);
  assert.equal(statSync(join(exported, 'key.pem')).mode & 0o777, 0o600);
});

test('enrolling fails with status 1 and its code, and never shows the token', async () => {
  const authority = await startEnrolment(fleet);
  authority.wishes.instead = [refused(403, 'token_refused')];
  const directory = join(temporaryDirectory(), 'device');
  const done = await run(['enrol', '-', '--device', directory, '--json'], authority.token);
  assert.equal(done.status, 1);
  assert.equal(summaryOf(done.out).error, 'token_refused');
  assert.equal((done.out + done.side).includes(authority.token.slice(10, 60)), false);
});

test('send reads a pipe, and its status is 0 when all is acknowledged', async () => {
  const gate = await startGate();
  const directory = deviceDirectory([gate.url]);
  const input = `${lines(1, 2)}\n\n{"value":3,"_id":"mine","_time":"2026-11-23T12:00:00Z"}\r\n{"value":4}`;
  const done = await run(['send', 'telemetry', '--device', directory, '--json'], input);
  assert.equal(done.status, 0, done.side);
  assert.deepEqual(summaryOf(done.out), { sent: 4, acknowledged: 4, refused: 0, kept: 0 });
  assert.deepEqual(gate.values(), [1, 2, 3, 4]);
  assert.equal(gate.stored[2]?._id, 'mine');
});

test('send takes a large file in groups, in order', async () => {
  const gate = await startGate();
  const directory = deviceDirectory([gate.url]);
  const values = Array.from({ length: 20_000 }, (_, value) => value);
  const done = await run(['send', 'telemetry', fileOf(lines(...values)), '--device', directory]);
  assert.equal(done.status, 0, done.side);
  assert.equal(done.out, 'sent 20000, acknowledged 20000, refused 0, kept 0\n');
  assert.deepEqual(gate.values(), values);
});

test('send says why it was refused and keeps the readings; the next send brings them too', async () => {
  const gate = await startGate(
    Array(20).fill(refused(403, 'attribute_not_expected', { expected: 'active', found: 'off' })),
  );
  const directory = deviceDirectory([gate.url]);
  const words = ['send', 'telemetry', '--device', directory, '--json'];
  const kept = await runHere([...words, fileOf(lines(1, 2)), '--wait', '3']);
  assert.equal(kept.status, 1);
  const { lastRefusal, ...counts } = summaryOf(kept.out);
  assert.deepEqual(counts, { sent: 2, acknowledged: 0, refused: 0, kept: 2 });
  assert.equal((lastRefusal as { reason: string }).reason, 'attribute_not_expected');
  assert.match(kept.side, /refused: telemetry: attribute_not_expected: .* \(expected "active", found "off"\)/);
  gate.answers.length = 0;
  const sent = await runHere([...words, fileOf(lines(3))]);
  assert.equal(sent.status, 0, sent.side);
  assert.deepEqual(summaryOf(sent.out), { sent: 1, acknowledged: 3, refused: 0, kept: 0 });
  // What a slow machine did not answer in time is sent again: that is no fault, and a gate stores it once.
  assert.deepEqual([...new Set(gate.values())], [1, 2, 3]);
});

test('a reading that will never pass is in refused.ndjson, and the status is 1', async () => {
  const gate = await startGate([refused(422, 'condition_not_met', { line: 1 })]);
  const directory = deviceDirectory([gate.url]);
  const done = await runHere(['send', 'telemetry', fileOf(lines(1)), '--device', directory, '--json']);
  assert.equal(done.status, 1);
  const { refused: count, kept } = summaryOf(done.out);
  assert.deepEqual([count, kept], [1, 0]);
  assert.match(readFileSync(join(directory, 'refused.ndjson'), 'utf8'), /"reason":"condition_not_met"/);
});

for (const [bad, why] of [
  ['{"value":', /line 3: this is not JSON/],
  ['[3]', /line 3: this is not a JSON object/],
  ['{"_value":3}', /line 3: member "_value" begins with "_"/],
  ['{"_id":3}', /line 3: member "_id"/],
] as const) {
  test(`in a file a line ${bad} is named, what came before it is sent, and the status is 1`, async () => {
    const gate = await startGate();
    const directory = deviceDirectory([gate.url]);
    const file = fileOf(`${lines(1, 2)}\n${bad}\n${lines(4)}\n`);
    const done = await runHere(['send', 'telemetry', file, '--device', directory, '--json']);
    assert.equal(done.status, 1);
    assert.match(done.side, why);
    const { sent, acknowledged, error } = summaryOf(done.out);
    assert.deepEqual([sent, acknowledged], [2, 2]);
    assert.match(String(error), why);
    assert.deepEqual(gate.values(), [1, 2]);
  });
}

test('send without a credential says to enrol first', async () => {
  const done = await runHere(['send', 'telemetry', fileOf(lines(1)), '--device', join(temporaryDirectory(), 'none')]);
  assert.equal(done.status, 1);
  assert.match(done.side, /enrol first/);
});

test('while one process has the directory, send and enrol are refused with a clear word', async () => {
  const directory = deviceDirectory([]);
  await openDevice(directory);
  const authority = await startEnrolment(fleet);
  for (const words of [
    ['send', 'telemetry'],
    ['enrol', '-'],
  ]) {
    const done = await run([...words, '--device', directory], authority.token);
    assert.equal(done.status, 1);
    assert.match(done.side, /another process uses .*; stop it first \(store_locked\)/);
  }
  assert.equal(authority.server.requests.length, 0);
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`run --metrics sends this machine's figures each interval, until ${signal}`, async () => {
    const gate = await startGate();
    const directory = deviceDirectory([gate.url]);
    const words = ['run', '--metrics', '--stream', 'machines', '--interval', '0.1', '--device', directory, '--json'];
    const { child, ended } = start(...words);
    await until('some figures', () => gate.stored.length >= 3);
    child.kill(signal);
    const done = await ended;
    assert.equal(done.status, 0, done.side);
    const { acknowledged, kept } = summaryOf(done.out);
    assert.equal(Number(acknowledged) + Number(kept) >= 3, true);
    const { load, memoryUsedPercent, diskUsedPercent, cores, host } = gate.stored[0] as Record<string, number>;
    assert.ok(Number.isFinite(load) && Number(cores) >= 1 && typeof host === 'string');
    assert.ok(Number(memoryUsedPercent) > 0 && Number(memoryUsedPercent) <= 100);
    assert.ok(Number(diskUsedPercent) >= 0 && Number(diskUsedPercent) <= 100);
    assert.ok(gate.requests.every(({ path }) => path === '/v1/streams/machines/readings'));
  });
}

test('send from cron renews what is due, and confirms it, before it ends', async () => {
  const gate = await startGate();
  const authority = await startEnrolment(fleet);
  authority.wishes.gates = [gate.url];
  const due = { renewAfter: '2020-01-01T00:00:00.000Z', enrolment: authority.server.url };
  const directory = deviceDirectory([gate.url], due);
  const done = await runHere(['send', 'telemetry', fileOf(lines(1)), '--device', directory, '--wait', '60']);
  assert.equal(done.status, 0, done.side);
  const { certificate, unconfirmed } = readCredential(credentialFileIn(directory));
  assert.deepEqual([authority.confirmed.at(-1), unconfirmed], [certificate, undefined]);
  assert.equal(new Set(gate.ids()).size, 1, 'a request that the new pair interrupts is repeated as the same reading');
});

test('run drains what an earlier process kept, and stays', async () => {
  const down = await startGate();
  await down.close();
  const directory = deviceDirectory([down.url]);
  await runHere(['send', 'telemetry', fileOf(lines(1, 2, 3)), '--device', directory, '--wait', '0']);
  const gate = await startGate([], down.port);
  const { child, ended, said } = start('run', '--device', directory);
  await until('the readings', () => gate.stored.length === 3);
  assert.equal(child.exitCode, null);
  child.kill('SIGTERM');
  assert.equal((await ended).status, 0);
  assert.match(said.side, /running as truck-17/);
  assert.match(said.out, /acknowledged 3, refused 0, kept 0/);
  assert.ok(existsSync(join(directory, 'outbox', 'telemetry', 'cursor')));
});
