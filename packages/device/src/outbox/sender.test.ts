import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { patienceMs } from '../../../../test/patience.ts';
import { localNames, TestAuthority, temporaryDirectory } from '../../test/certificates.ts';
import { startEnrolment } from '../../test/enrolment.ts';
import { deviceDirectory, fleet, impatient, makeCredential, openDevice, startGate } from '../../test/gate.ts';
import { acknowledged, linesOf, type Received, refused, startServer, until } from '../../test/servers.ts';
import { credentialFileIn, readCredential } from '../credential/credential.ts';
import { Link } from '../link/link.ts';
import { realSystem, type System } from '../system.ts';
import { HttpsWay } from '../ways/https-way.ts';
import { Clock } from './clock.ts';
import { Outbox } from './outbox.ts';
import { lineOf } from './reading.ts';
import { Sender } from './sender.ts';

const limit = () => AbortSignal.timeout(patienceMs);
const range = (count: number) => Array.from({ length: count }, (_, index) => index);

async function sending(gates: string[], count: number) {
  const directory = deviceDirectory(gates);
  const opened = await openDevice(directory);
  await Promise.all(range(count).map((value) => opened.device.send('telemetry', { value })));
  return { directory, ...opened };
}

function refusedIn(directory: string): { reason: string; reading: { value: number; _id: string } }[] {
  const file = join(directory, 'refused.ndjson');
  return existsSync(file) ? (linesOf(readFileSync(file, 'utf8')) as never) : [];
}

/** As a gate does: all or nothing, and the first line that does not fit is named. */
const refusingValues =
  (...values: number[]) =>
  (received: Received) => {
    const line = linesOf(received.body).findIndex(({ value }) => values.includes(value as number)) + 1;
    return line === 0 ? acknowledged(received) : refused(422, 'condition_not_met', { line });
  };

test('P8: readings arrive in order, in batches, with id, time and clock, and leave the outbox when acknowledged', async () => {
  const gate = await startGate();
  const { device } = await sending([gate.url], 1_200);
  await device.drained(limit());
  assert.equal(device.kept, 0);
  assert.deepEqual(device.counts, { acknowledged: 1_200, refused: 0 });
  assert.deepEqual(gate.values(), range(1_200));
  assert.ok(gate.requests.length <= 5, `${gate.requests.length} requests`);
  assert.ok(gate.requests.every(({ path }) => path === '/v1/streams/telemetry/readings'));
  const [first] = gate.stored;
  assert.match(String(first?._id), /^[A-Za-z0-9._:-]{1,128}$/);
  assert.match(String(first?._time), /^\d{4}-\d\d-\d\dT.*Z$/);
  assert.match(String(first?._clock), /^(unknown|synchronized)$/);
  assert.equal(new Set(gate.ids()).size, 1_200);
  assert.deepEqual(gate.ids(), gate.ids().toSorted());
});

test('members that a later gate answers are ignored: readings are acknowledged and set aside all the same', async () => {
  const more = { hint: 'later', gates: [{ url: 'x' }] };
  const later = (received: Received) => {
    const answer = refusingValues(1)(received);
    return { ...answer, body: { ...(answer.body as object), ...more } };
  };
  const gate = await startGate(range(9).map(() => later));
  const { device, failures } = await sending([gate.url], 3);
  await device.drained(limit());
  assert.deepEqual(gate.values(), [0, 2]);
  assert.deepEqual([device.counts, failures], [{ acknowledged: 2, refused: 1 }, []]);
});

for (const [what, answer] of [
  ['a 200 that is not an acknowledgement', { status: 200, body: {} }],
  ['a 202 for fewer readings', { status: 202, body: { acknowledged: 1, ids: ['a'], revision: 1 } }],
  ['a 202 without a body', { status: 202 }],
  ['a 500 that is not a problem', { status: 500, body: 'no' }],
  ['a broken connection', 'break'],
] as const) {
  test(`P8: ${what} keeps the readings, which are sent again as the same ones`, async () => {
    const sent: string[] = [];
    const gate = await startGate([]);
    gate.answers.push((received) => {
      sent.push(received.body);
      return answer === 'break' ? { status: 599 } : answer;
    });
    if (answer === 'break') gate.answers.splice(0, 1, 'break');
    const { device, failures } = await sending([gate.url], 3);
    await device.drained(limit());
    assert.equal(device.kept, 0);
    assert.equal(failures.length, 1);
    const bodies = gate.requests.map(({ body }) => linesOf(body).map(({ _id }) => _id));
    assert.deepEqual(bodies[0], bodies[1]);
  });
}

for (const [reason, status] of [
  ['attribute_not_expected', 403],
  ['not_admitted', 403],
  ['certificate_superseded', 403],
  ['stream_unknown', 404],
  ['replica_stale', 503],
  ['sink_unavailable', 503],
  ['overrun', 503],
  ['a_reason_of_a_later_version', 403],
] as const) {
  test(`P8: ${reason} keeps all readings, and they are stored once when it passes`, async () => {
    const gate = await startGate([refused(status, reason), refused(status, reason), refused(status, reason)]);
    const { device, directory, refusals } = await sending([gate.url], 5);
    await device.drained(limit());
    assert.deepEqual(gate.values(), range(5));
    assert.deepEqual(refusals, [reason, reason, reason]);
    assert.deepEqual(refusedIn(directory), []);
    assert.equal(device.counts.refused, 0);
  });
}

test('a reading that is refused is moved aside alone, and the others go on in order', async () => {
  const gate = await startGate(range(50).map(() => refusingValues(0, 7, 8, 19)));
  const { device, directory, refusals } = await sending([gate.url], 20);
  await device.drained(limit());
  const kept = range(20).filter((value) => ![0, 7, 8, 19].includes(value));
  assert.deepEqual(gate.values(), kept);
  assert.deepEqual(device.counts, { acknowledged: 16, refused: 4 });
  const aside = refusedIn(directory);
  assert.deepEqual(
    aside.map(({ reading }) => reading.value),
    [0, 7, 8, 19],
  );
  assert.deepEqual(
    aside.map(({ reason }) => reason),
    refusals,
  );
  assert.equal(statSync(join(directory, 'refused.ndjson')).mode & 0o777, 0o600);
});

for (const status of [400, 413, 415, 422]) {
  test(`a reading that is refused with ${status} and a code of a later version is moved aside, and holds nothing up`, async () => {
    const later = (received: Received) => {
      const line = linesOf(received.body).findIndex(({ value }) => value === 2) + 1;
      return line === 0 ? acknowledged(received) : refused(status, 'reading_later', { line });
    };
    const gate = await startGate(range(9).map(() => later));
    const { device, directory } = await sending([gate.url], 4);
    await device.drained(limit());
    assert.deepEqual(gate.values(), [0, 1, 3]);
    assert.deepEqual(
      refusedIn(directory).map(({ reason }) => reason),
      ['reading_later'],
    );
  });
}

test('P8: a failure of the request, whatever its status, is none of the readings', async () => {
  const gate = await startGate([refused(400, 'request_malformed'), refused(413, 'request_too_large')]);
  const { device, directory } = await sending([gate.url], 3);
  await device.drained(limit());
  assert.deepEqual(gate.values(), [0, 1, 2]);
  assert.deepEqual(refusedIn(directory), []);
});

test('a reading that the policy of the gate can not judge is kept; those before it are stored, those behind it wait', async () => {
  const failing = (received: Received) => {
    const line = linesOf(received.body).findIndex(({ value }) => value === 3) + 1;
    return line === 0 ? acknowledged(received) : refused(503, 'condition_failed', { line });
  };
  const gate = await startGate(range(3).map(() => failing));
  const { device, refusals } = await sending([gate.url], 6);
  await device.drained(limit());
  assert.deepEqual(
    gate.requests.map(({ body }) => linesOf(body).map(({ value }) => value)),
    [range(6), [0, 1, 2], [3, 4, 5], [3, 4, 5]],
  );
  assert.deepEqual([gate.values(), refusals], [range(6), ['condition_failed']]);
});

test('a body that is refused without naming a line is searched for the reading', async () => {
  const whole = (received: Received) =>
    linesOf(received.body).some(({ value }) => value === 5)
      ? refused(413, 'reading_too_large')
      : acknowledged(received);
  const gate = await startGate(range(50).map(() => whole));
  const { device, directory } = await sending([gate.url], 12);
  await device.drained(limit());
  assert.deepEqual(
    gate.values(),
    range(12).filter((value) => value !== 5),
  );
  assert.deepEqual(
    refusedIn(directory).map(({ reading }) => reading.value),
    [5],
  );
});

for (const line of [9, 0, -1]) {
  test(`a gate that names line ${line} of a batch of three is not believed, and not asked in a loop without end`, async () => {
    const gate = await startGate([refused(422, 'condition_not_met', { line })]);
    const { device, directory, failures } = await sending([gate.url], 3);
    await device.drained(limit());
    assert.deepEqual(failures, ['answer_malformed']);
    assert.deepEqual(refusedIn(directory), []);
    assert.deepEqual(gate.values(), [0, 1, 2]);
  });
}

for (const [value, leastMs, mostMs] of [
  ['1', 950, 60_000],
  ['soon', 0, 60_000],
  ['-5', 0, 60_000],
  ['Wed, 21 Oct 2099 07:28:00 GMT', 0, 60_000],
] as const) {
  test(`Retry-After: ${value} is waited for between ${leastMs} and ${mostMs} ms`, async () => {
    const gate = await startGate([{ ...refused(503, 'replica_stale'), headers: { 'retry-after': value } }]);
    const start = performance.now();
    const { device } = await sending([gate.url], 1);
    await device.drained(limit());
    const elapsed = performance.now() - start;
    assert.equal(gate.requests.length, 2);
    assert.ok(elapsed >= leastMs && elapsed <= mostMs, `${elapsed} ms`);
  });
}

test('a Retry-After of a year does not overflow a timer', async () => {
  const gate = await startGate([{ ...refused(503, 'replica_stale'), headers: { 'retry-after': '31536000' } }]);
  const { device, refusals } = await sending([gate.url], 1);
  await until('the refusal', () => refusals.length > 0);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(gate.requests.length, 1);
  assert.equal(device.kept, 1);
});

test('a gate that is down is passed over for the next one, and taken again when that one goes', async () => {
  const down = await startGate();
  await down.close();
  const gate = await startGate();
  const { device, failures } = await sending([down.url, gate.url], 4);
  await device.drained(limit());
  assert.deepEqual(gate.values(), range(4));
  assert.deepEqual(failures, ['server_unreachable']);
  await gate.close();
  const back = await startGate([], down.port);
  await device.send('telemetry', { value: 4 });
  await device.drained(limit());
  assert.deepEqual(back.values(), [4]);
});

test('devices begin with different gates', async () => {
  const gates = await Promise.all([startGate(), startGate()]);
  for (const draw of [0, 1]) {
    const random = (bytes: number) => (bytes === 2 ? Buffer.from([0, draw]) : impatient.random(bytes));
    const directory = deviceDirectory(gates.map(({ url }) => url));
    const { device } = await openDevice(directory, { system: { ...impatient, random } });
    await device.send('telemetry', { value: draw });
    await device.drained(limit());
  }
  assert.deepEqual(
    gates.map(({ values }) => values()),
    [[0], [1]],
  );
});

test('P2: a man in the middle gets nothing, and every reading is kept for the real gate', async () => {
  const foreign = new TestAuthority('plant root');
  const pair = foreign.issue({ uri: 'gate/gate-1', alternatives: localNames, purposes: ['serverAuth'] });
  const options = { key: pair.key, cert: pair.certificate + foreign.certificate };
  const middle = await startServer(options, acknowledged);
  const { device, failures } = await sending([middle.url], 10);
  await until('some tries', () => failures.length >= 3);
  assert.equal(middle.applicationBytes(), 0);
  assert.equal(device.kept, 10);
  await middle.close();
  const gate = await startGate([], middle.port);
  await device.drained(limit());
  assert.deepEqual(gate.values(), range(10));
  assert.ok(failures.includes('server_not_verified'));
});

test('one stream that is refused does not hold up another', async () => {
  const gate = await startGate();
  const route = (received: Received) =>
    received.path.includes('/cold/') ? refused(404, 'stream_unknown') : acknowledged(received);
  gate.answers.push(...range(10_000).map(() => route));
  const { device } = await openDevice(deviceDirectory([gate.url]), {
    system: { ...impatient, random: (bytes) => Buffer.alloc(bytes, 0xff) },
  });
  await device.send('cold', { value: 0 });
  await device.send('telemetry', { value: 1 });
  await until('the other stream', () => gate.values().includes(1));
  await until('its acknowledgement', () => device.kept === 1);
});

test('a gate that does not know the stream is passed over for one that does, at once and without a word', async () => {
  const ignorant = await startGate(range(50).map(() => refused(404, 'stream_unknown')));
  const gate = await startGate();
  const { device, refusals } = await sending([ignorant.url, gate.url], 3);
  await device.drained(limit());
  assert.deepEqual([gate.values(), refusals, ignorant.requests.length], [range(3), [], 1]);
  await device.send('telemetry', { value: 3 });
  await device.drained(limit());
  assert.equal(ignorant.requests.length, 1, 'it stays with the one that does');
});

test('while one gate does not know the stream and another is down, both are told and tried again', async () => {
  const down = await startGate();
  await down.close();
  const ignorant = await startGate(range(3).map(() => refused(404, 'stream_unknown')));
  const { device, refusals, failures } = await sending([down.url, ignorant.url], 1);
  await device.drained(limit());
  assert.deepEqual(ignorant.values(), [0]);
  assert.deepEqual([...new Set(refusals)], ['stream_unknown']);
  assert.deepEqual([...new Set(failures)], ['server_unreachable']);
});

function senderOf(gates: string[], system: System, outbox: Outbox) {
  const told = { refusals: [] as string[], missing: 0, found: 0 };
  const credential = makeCredential(gates);
  const link = new Link({ roots: credential.roots, fleet: credential.fleet, role: 'gate', credential });
  const way = new HttpsWay({
    link,
    gates: () => gates,
    clock: new Clock({ system, time: { now: system.now, isCorrected: false }, notBefore: () => 0 }),
    onBundleDue: () => assert.fail('no bundle is due'),
  });
  const sender = new Sender({
    ...{ stream: 'cold', outbox, system, counts: { acknowledged: 0, refused: 0 } },
    way: () => way,
    setAside: () => assert.fail('no reading is refused for good'),
    onRefusal: ({ reason }) => told.refusals.push(reason),
    onFailure: () => undefined,
    onGatesMissing: () => told.missing++,
    onGatesFound: () => told.found++,
  });
  const running = sender.run();
  after(async () => {
    sender.stop();
    way.close();
    await running;
  });
  return { sender, told };
}

test('a stream that no known gate has is set apart and told once, others are looked for, and a retry goes at once', async () => {
  const unknown = () => refused(404, 'stream_unknown');
  const gates = [await startGate([unknown]), await startGate([unknown])];
  const outbox = new Outbox(join(temporaryDirectory(), 'cold'));
  await outbox.put(lineOf('{"value":0}', { id: 'a', time: '2026-11-23T12:00:00Z', clock: 'unknown' }));
  const patient = { ...realSystem, random: (bytes: number) => Buffer.alloc(bytes, 0xff) };
  const { sender, told } = senderOf(
    gates.map(({ url }) => url),
    patient,
    outbox,
  );
  await until('it is set apart', () => sender.setApart === 'stream_unknown');
  assert.deepEqual([told.refusals, told.missing, outbox.length], [['stream_unknown'], 1, 1]);
  assert.deepEqual(
    gates.map(({ requests }) => requests.length),
    [1, 1],
  );
  sender.retry();
  await until('it is sent', () => outbox.length === 0);
  assert.deepEqual([sender.setApart, told.found], [undefined, 1]);
});

test('a gate that is gone for good: once all known ones failed twice, others are asked for and taken', async () => {
  const gone = await startGate();
  await gone.close();
  const gate = await startGate();
  const enrolment = await startEnrolment(fleet);
  enrolment.wishes.gates = [gate.url];
  const directory = deviceDirectory([gone.url], { enrolment: enrolment.server.url });
  const { device, failures } = await openDevice(directory);
  await device.send('telemetry', { value: 0 });
  await device.drained(limit());
  assert.deepEqual(gate.values(), [0]);
  assert.ok(failures.length >= 2);
  assert.deepEqual(device.credential.gates, [gate.url]);
  assert.deepEqual(readCredential(credentialFileIn(directory)).gates, [gate.url]);
});

test('an authority of an earlier version, which knows no question for gates, leaves the device trying those it knows', async () => {
  const gate = await startGate();
  await gate.close();
  const enrolment = await startEnrolment(fleet);
  enrolment.wishes.instead = range(50).flatMap(() => [{ status: 0 }, refused(404, 'route_unknown')]);
  const directory = deviceDirectory([gate.url], { enrolment: enrolment.server.url });
  const { device, failures } = await openDevice(directory);
  await device.send('telemetry', { value: 0 });
  await until('it asked', () => enrolment.server.requests.some(({ path }) => path === '/v1/renewals/gates'));
  const back = await startGate([], gate.port);
  await device.drained(limit());
  assert.deepEqual(back.values(), [0]);
  assert.deepEqual([...new Set(failures)], ['server_unreachable']);
});
