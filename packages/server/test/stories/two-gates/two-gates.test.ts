/** Two gates and what an operator reads of them: one list by the time of receipt, which says what is missing from it. */
import assert from 'node:assert/strict';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Device } from '@portcullis/device';
import { Running, succeeded } from '../../../../../tools/commands.ts';
import { eventually, House, type Pem, post, readingsUrl } from '../../house.ts';
import { Operator } from '../../operator.ts';

let house: House;
let operator: Operator;
let truck: Pem;
let second: Running;
let secondUrl = '';

interface Line {
  id: string;
  gate: string;
  receivedAt: string;
  proof: string;
  data: { t: number };
}

before(async () => {
  house = await House.open();
  operator = new Operator(house.fleet);
  truck = await operator.enrolled('truck-17', join(house.home, 'truck-17'));
  const directory = join(house.home, 'gate-2');
  const [made] = await house.json<{ token: string }>('token', 'create', 'gate-2', '--kind', 'gate');
  secondUrl = `https://localhost:${house.basePort + 2}`;
  await succeeded('portcullis', 'gate', 'join', directory, made?.token as string, '--port', String(house.basePort + 2));
  second = await startSecond();
});
after(async () => {
  operator?.close();
  await second?.stop();
  await house?.close();
});

async function startSecond(): Promise<Running> {
  const gate = new Running('portcullis', 'start', 'gate', join(house.home, 'gate-2'));
  await gate.line(/^gate listening/, 60_000);
  return gate;
}

const urlOf = (gate: string) => (gate === 'gate-1' ? readingsUrl(house) : `${secondUrl}/v1/streams/telemetry/readings`);
let last = 0;
/** Each is acknowledged before the next is sent, so that the gates receive them in this order. */
async function send(...gates: string[]): Promise<void> {
  for (const gate of gates) {
    const { status, body } = await post(urlOf(gate), truck, `{"t":${++last}}`);
    assert.equal(status, 202, body);
  }
}
const timesOf = (lines: Line[]) => lines.map(({ data }) => data.t);
const readings = (...words: string[]) => house.json<Line>('readings', 'telemetry', ...words);
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

test('the readings of both gates are one list by the time of receipt, and each line names its gate', async () => {
  await send('gate-1', 'gate-2', 'gate-2', 'gate-1', 'gate-2', 'gate-1');
  await eventually(async () => (await readings()).length === 6, 'all are readable', 60_000);
  const lines = await readings();
  assert.deepEqual(timesOf(lines), upTo(6));
  assert.deepEqual(
    lines.map(({ gate }) => gate),
    ['gate-1', 'gate-2', 'gate-2', 'gate-1', 'gate-2', 'gate-1'],
  );
  assert.deepEqual(timesOf(await readings('--last', '3')), [4, 5, 6]);
  assert.deepEqual(timesOf(await readings('--limit', '2')), [1, 2]);
  const [, , third] = lines;
  assert.deepEqual(timesOf(await readings('--since', third?.receivedAt ?? '')), [3, 4, 5, 6]);
  assert.deepEqual(timesOf(await readings('--until', third?.receivedAt ?? '')), [1, 2]);
  const { out } = await house.portcullis('readings', '--csv', '--subject', 'truck-17', '--limit', '1');
  const [header, row, ...more] = out.trimEnd().split('\n');
  assert.match(header ?? '', /^receivedAt,gate,subject,stream,id,.*,data$/);
  assert.match(row ?? '', /^2\S+Z,gate-1,truck-17,telemetry,[^,]+,,unknown,.*,"\{""t"":1\}"$/);
  assert.deepEqual(more, []);
  const unknown = await house.portcullis('readings', '--subject', 'truck-99');
  assert.deepEqual([unknown.status, /subject_unknown/.test(unknown.error)], [1, true]);
});

test('numbers come back digit for digit, members in their order', async () => {
  const data = '{"b":9007199254740993,"10":12345678901234567890,"9":1E+400,"z":-0,"d":0.1234567890123456789012345}';
  assert.equal((await post(urlOf('gate-2'), truck, data)).status, 202);
  let out = '';
  const isThere = async () => {
    out = await succeeded('portcullis', 'readings', '--json', '--last', '1', '--fleet', house.fleet);
    return out.includes('9007199254740993');
  };
  await eventually(isThere, 'it is readable', 60_000);
  assert.ok(out.endsWith(`,"data":${data}}`), out);
  last++;
});

test('followed: what a gate stores while it is alone comes, a gate that stops is told and comes back, nothing comes twice', async () => {
  await eventually(async () => (await readings()).every(({ proof }) => proof === 'proven'), 'all is proven', 60_000);
  const followed = new Running('portcullis', 'readings', '--json', '--follow', '--last', '1', '--fleet', house.fleet);
  const watched = new Running('portcullis', 'watch', '--json', '--fleet', house.fleet);
  const [seen, verdicts, told]: [string[], { gate: string; verdict: string }[], string[]] = [[], [], []];
  followed.onLine((line) => {
    if (line.startsWith('{"id"')) seen.push(/"data":(.*)\}$/.exec(line)?.[1] ?? '');
    else told.push(line);
  });
  watched.onLine((line) => {
    if (line.startsWith('{"at"')) verdicts.push(JSON.parse(line) as (typeof verdicts)[0]);
    else told.push(line);
  });
  try {
    await followed.line(/"b":9007199254740993/, 60_000);
    const admitted = (gate: string) => verdicts.some((one) => one.gate === gate && one.verdict === 'admitted');
    const bothAreWatched = async () => {
      await send('gate-1', 'gate-2');
      return admitted('gate-1') && admitted('gate-2');
    };
    await eventually(bothAreWatched, 'verdicts of both gates are seen', 60_000);
    await second.stop();
    const gone = () => told.filter((line) => /"away":\{"gate":"gate-2"/.test(line)).length === 2;
    await eventually(gone, 'both commands tell that the gate is away', 60_000);
    await send('gate-1');
    const before = `{"t":${last}}`;
    await eventually(() => seen.includes(before), 'the other gate is followed on', 60_000);
    second = await startSecond();
    verdicts.length = 0;
    await send('gate-2', 'gate-1');
    const all = upTo(last)
      .slice(7)
      .map((t) => `{"t":${t}}`);
    await eventually(() => all.every((one) => seen.includes(one)), 'all has come', 60_000);
    assert.equal(new Set(seen).size, seen.length, 'nothing came twice');
    const watchedAgain = async () => {
      await post(urlOf('gate-2'), { ...truck, key: undefined, cert: undefined } as never, '{}').catch(() => undefined);
      return verdicts.some(({ gate }) => gate === 'gate-2');
    };
    await eventually(watchedAgain, 'the watch is back at the gate', 60_000);
    assert.deepEqual([followed.process.exitCode, watched.process.exitCode], [null, null]);
  } finally {
    await followed.stop();
    await watched.stop();
  }
  assert.deepEqual([followed.process.exitCode, watched.process.exitCode], [0, 0]);
});

const everyMs = 5;
const clients = 4;

/** A client without our SDK: another gate's turn after whatever is not an acknowledgement. Adds what was acknowledged. */
async function sendPlainly(name: string, goesOn: () => boolean, acknowledged: string[]): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let turn = 0;
  for (let n = 0; goesOn(); n++) {
    const gate = turn % 2 === 0 ? 'gate-1' : 'gate-2';
    const id = `${name}-${n}`;
    const answer = await post(urlOf(gate), truck, `{"_id":"${id}"}`, {}, agent).catch(() => undefined);
    if (answer?.status === 202) acknowledged.push(id);
    else turn++;
    await pause(everyMs);
  }
  agent.destroy();
}

test('P8: gates that are restarted one after the other lose no acknowledgement: each reading is stored, and at one of them alone', async () => {
  const directory = await house.device('truck-18');
  const device = await Device.open({ directory });
  assert.equal(device.credential.gates.length, 2, 'it knows both');
  let [sent, restarting] = [0, true];
  const sending = (async () => {
    while (restarting) {
      await device.send('telemetry', { n: ++sent });
      await pause(everyMs);
    }
  })();
  const acknowledged: string[] = [];
  const plain = upTo(clients).map((n) => sendPlainly(`client-${n}`, () => restarting, acknowledged));
  const acknowledges = () => {
    const before = device.counts.acknowledged;
    return eventually(() => device.counts.acknowledged > before, 'readings are acknowledged', 60_000);
  };
  try {
    await acknowledges();
    await house.gate?.stop();
    await acknowledges();
    await house.startGate();
    await second.stop();
    await acknowledges();
    second = await startSecond();
  } finally {
    restarting = false;
    await Promise.all([sending, ...plain]);
  }
  await device.drained(AbortSignal.timeout(60_000));
  assert.deepEqual([device.counts.acknowledged, device.kept], [sent, 0]);
  await device.close();
  assert.deepEqual([house.gate?.process.exitCode, second.process.exitCode], [null, null]);
  const kept = () => house.json<{ data: { n: number }; gate: string }>('readings', '--subject', 'truck-18');
  await eventually(async () => (await kept()).length >= sent, 'all are readable', 60_000);
  const lines = await kept();
  const numbers = lines.map(({ data }) => data.n).sort((one, other) => one - other);
  assert.deepEqual(numbers, upTo(sent));
  assert.deepEqual([...new Set(lines.map(({ gate }) => gate))].sort(), ['gate-1', 'gate-2']);
  const missing = async () => {
    const ids = new Set((await house.json<Line>('readings', '--subject', 'truck-17')).map(({ id }) => id));
    return acknowledged.filter((id) => !ids.has(id));
  };
  await eventually(async () => (await missing()).length === 0, 'whatever was acknowledged is readable', 60_000);
  assert.ok(acknowledged.length > clients);
});

test('a gate that is down is named, beside the list, and the status says it unless part of it is enough', async () => {
  await second.stop();
  const ofFirst = (await readings('--partial')).length;
  const { status, out, error } = await house.portcullis('readings', 'telemetry', '--json');
  assert.deepEqual([status, out.trimEnd().split('\n').length], [1, ofFirst]);
  const { missing, code } = JSON.parse(error) as { missing: { gate: string; url: string }; code: string };
  assert.deepEqual([missing, code], [{ gate: 'gate-2', url: secondUrl }, 'server_unreachable']);
  const words = await house.portcullis('readings', 'telemetry', '--partial');
  assert.equal(words.status, 0);
  assert.match(words.error, /^gate-2 at \S+ is missing, and what it holds is not in this list: .*ECONNREFUSED/);
  assert.match(words.out, /^RECEIVED +GATE +SUBJECT/);
});
