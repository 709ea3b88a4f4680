import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { deviceDirectory, openDevice, startGate } from '../../test/gate.ts';
import { acknowledged, linesOf, type Received, refused, until } from '../../test/servers.ts';
import { realSystem } from '../system.ts';
import { socketFileIn } from './address.ts';
import { OtherProcess } from './client.ts';
import { Listener } from './listener.ts';

const limit = () => AbortSignal.timeout(60_000);

async function listening(gates: string[], directory = deviceDirectory(gates)) {
  const { device } = await openDevice(directory, { system: realSystem });
  const listener = await Listener.open(device, directory);
  after(() => listener.close());
  return { directory, device, listener };
}

async function client(directory: string, stream = 'telemetry') {
  const found = await OtherProcess.connect(directory, stream);
  after(() => found?.close());
  return found ?? assert.fail('nobody listens');
}

/** Speaks the protocol by hand, as an application would. */
async function speak(directory: string, ...requests: (string | Buffer)[]): Promise<Record<string, unknown>[]> {
  const socket = connect(socketFileIn(directory));
  await once(socket, 'connect');
  let said = '';
  socket.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  for (const request of requests) socket.write(Buffer.concat([Buffer.from(request), Buffer.from('\n')]));
  await until('the answers', () => said.split('\n').length > requests.length, 60_000);
  socket.destroy();
  return said
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('what another process hands over is durable when it is answered, goes out digit for digit, and is accounted for', async () => {
  const gate = await startGate();
  const { directory, device } = await listening([gate.url]);
  assert.equal(statSync(socketFileIn(directory)).mode & 0o777, 0o600);
  const other = await client(directory);
  await other.put([
    { text: '{"value":9007199254740993}', given: { id: 'mine' } },
    { text: '{}', given: {} },
    { text: '{"value":1E+400}', given: { time: '2026-11-23T12:00:00Z' } },
  ]);
  const account = await other.settle(limit());
  assert.deepEqual(account, { acknowledged: 3, refused: 0, kept: 0, mine: { kept: 0, refused: 0 } });
  const body = gate.requests.map((request) => request.body).join('\n');
  assert.match(body, /"_id":"mine","_time":"[^"]*","value":9007199254740993\}/);
  assert.match(body, /"_time":"2026-11-23T12:00:00Z","value":1E\+400\}/);
  assert.equal(device.counts.acknowledged, 3);
});

test('each party is told of its own readings: those of others, and what waited before, are not in its account', async () => {
  const gate = await startGate();
  const refusing = (received: Received) => {
    const line = linesOf(received.body).findIndex(({ value }) => value === 1) + 1;
    return line === 0 ? acknowledged(received) : refused(422, 'condition_not_met', { line, detail: 'value > 1' });
  };
  gate.answers.push(...Array.from({ length: 20 }, () => refusing));
  const directory = deviceDirectory([gate.url]);
  const { device } = await listening([], directory);
  await device.send('telemetry', { value: 3 });
  const [one, two] = [await client(directory), await client(directory)];
  await one.put([{ text: '{"value":1}', given: {} }]);
  await two.put([{ text: '{"value":2}', given: {} }]);
  const [mine, theirs] = await Promise.all([one.settle(limit()), two.settle(limit())]);
  assert.deepEqual(
    [mine.mine, theirs.mine],
    [
      { kept: 0, refused: 1 },
      { kept: 0, refused: 0 },
    ],
  );
  assert.equal(mine.lastRefusal?.detail, 'value > 1');
});

test('without anybody listening there is nobody to hand to, and a socket that was left behind is taken over', async () => {
  const directory = deviceDirectory([]);
  assert.equal(await OtherProcess.connect(directory, 'telemetry'), undefined);
  const first = await listening([], directory);
  // As a process leaves it that is killed: a file at which nobody answers.
  renameSync(socketFileIn(directory), join(directory, 'left'));
  await first.listener.close();
  renameSync(join(directory, 'left'), socketFileIn(directory));
  assert.equal(await OtherProcess.connect(directory, 'telemetry'), undefined);
  const again = await Listener.open(first.device, directory);
  await (await client(directory)).account();
  await again.close();
  assert.equal(existsSync(socketFileIn(directory)), false);
});

test('a directory whose path is longer than an address may be is reached all the same', async () => {
  const directory = join(deviceDirectory([]), 'x'.repeat(100), 'y'.repeat(100));
  mkdirSync(dirname(directory), { recursive: true });
  renameSync(deviceDirectory([]), directory);
  await listening([], directory);
  const account = await (await client(directory)).account();
  assert.equal(account.kept, 0);
});

for (const [what, request, code] of [
  ['noise', Buffer.from([0xff, 0xfe, 0x00]), 'usage'],
  ['no JSON', 'hello', 'usage'],
  ['no object', '7', 'usage'],
  ['no stream', '{"line":"{}"}', 'usage'],
  ['a stream that climbs', '{"stream":"../x","line":"{}"}', 'usage'],
  ['neither line nor wait', '{"stream":"telemetry"}', 'usage'],
  ['a wait without a bound', '{"stream":"telemetry","waitMs":1e300}', 'usage'],
  ['a line that is none', '{"stream":"telemetry","line":"{"}', 'usage'],
  ['a member twice', '{"stream":"telemetry","line":"{\\"a\\":1,\\"a\\":2}"}', 'usage'],
  ['a request of two megabytes', 'x'.repeat(2_000_000), 'usage'],
] as const) {
  test(`${what} is answered with ${code}, and the next request is taken`, async () => {
    const { directory } = await listening([]);
    const [bad, good] = await speak(directory, request, '{"stream":"telemetry","line":"{\\"value\\":1}"}');
    assert.equal(bad?.error, code);
    assert.deepEqual(good, { kept: true });
  });
}

test('one that asks for an account waits as long as it says, and is let go when the device closes', async () => {
  const { directory, listener } = await listening([]);
  const [kept, account] = await speak(
    directory,
    '{"stream":"telemetry","line":"{}"}',
    '{"stream":"telemetry","waitMs":50}',
  );
  assert.deepEqual(kept, { kept: true });
  assert.deepEqual(account?.mine, { kept: 1, refused: 0 });
  const other = await client(directory);
  await other.put([{ text: '{}', given: {} }]);
  const settling = other.settle(limit());
  await listener.close();
  await assert.rejects(settling, { code: 'server_unreachable', message: /has gone/ });
});
