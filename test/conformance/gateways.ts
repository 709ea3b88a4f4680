/** P16: what devices seal goes through gateways that nobody has to trust: an honest one, and one that lies in each way that there is. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { finished, freeBasePort, Running, succeeded } from '../../tools/commands.ts';
import { patienceMs } from '../patience.ts';
import { root } from '../tree.ts';
import { type House, openHouse } from './house.ts';

const examples = join(root, 'examples/gateway');
const options = ['--conditions=portcullis-source', '--no-warnings'];

let house: House;
let carrier: Running;
let carrierUrl: string;
let verdicts: Running;
const seen: { verdict: string; reason: string; subject: string }[] = [];

before(async () => {
  house = await openHouse();
  await enrolled('gw-1', '--kind', 'gateway');
  [carrier, carrierUrl] = await startCarrier('gw-1');
  verdicts = new Running('portcullis', 'watch', '--json', '--fleet', join(house.directory, 'fleet'));
  verdicts.onLine((line) => {
    if (line.startsWith('{')) seen.push(JSON.parse(line) as (typeof seen)[number]);
  });
});
after(async () => {
  await verdicts?.stop();
  await carrier?.stop();
  await house?.[Symbol.asyncDispose]();
});

async function enrolled(subject: string, ...more: string[]): Promise<string> {
  const directory = join(house.directory, subject);
  const token = await house.portcullis('token', 'create', subject, ...more);
  await succeeded('portcullis-device', 'enrol', token, '--device', directory);
  return directory;
}

async function startCarrier(subject: string): Promise<[Running, string]> {
  const words = ['carry', '--device', join(house.directory, subject), '--listen', '127.0.0.1:0'];
  const running = new Running('portcullis-device', ...words);
  return [running, urlIn(await running.line(/carrying as/, patienceMs))];
}

async function startLiar(lie: string): Promise<[Running, string]> {
  const file = join(examples, 'lying-gateway.ts');
  const running = new Running({ file, options }, lie, String(await freeBasePort()), carrierUrl);
  return [running, urlIn(await running.line(/^lying-gateway/, patienceMs))];
}

const urlIn = (line: string) => /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0] ?? assert.fail(line);

interface Account {
  status: number;
  acknowledged: number;
  kept: number;
  refused: number;
  error: string;
}

async function send(directory: string, via: string, values: number[], waitSeconds = 3): Promise<Account> {
  const file = join(house.directory, 'lines');
  writeFileSync(file, values.map((value) => `{"value":${value}}\n`).join(''));
  const words = ['send', 'telemetry', file, '--no-resume', '--via', via, '--device', directory, '--json'];
  const { status, out, error } = await finished('portcullis-device', ...words, '--wait', String(waitSeconds));
  return { ...(JSON.parse(out) as Account), status, error };
}

interface Row {
  data: { value: number };
  sequence: number;
  run: string;
  sealed: boolean;
  carriedBy: string | null;
}
const rowsOf = async (subject: string) => (await house.readings(subject)) as unknown as Row[];
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);
const numberOf = ({ sequence }: Row) => sequence;
const inOrder = (rows: Row[]) => rows.map(numberOf).toSorted((one, other) => one - other);

async function refusal(reason: string, subject: string): Promise<void> {
  const has = () => seen.some((one) => one.verdict === 'refused' && one.reason === reason && one.subject === subject);
  if (!has()) await verdicts.line(new RegExp(`"subject":"${subject}".*"reason":"${reason}"`), patienceMs);
}

test('an honest gateway: what the device sealed is stored as its own, and the row says who carried it', async () => {
  const directory = await enrolled('truck-0');
  const sent = await send(directory, carrierUrl, numbers(1, 250), 30);
  assert.deepEqual([sent.status, sent.acknowledged, sent.kept], [0, 250, 0]);
  const rows = await rowsOf('truck-0');
  assert.deepEqual(inOrder(rows), numbers(1, 250));
  assert.ok(rows.every(({ sealed, carriedBy }) => sealed && carriedBy === 'gw-1'));
  assert.ok(rows.every(({ data, sequence }) => data.value === sequence));
});

/** What each lie is caught by: the gate's reason, what the device says, and how many of 220 are stored while it is told. */
const caught: Record<string, { reason?: string; says?: RegExp; stored: number[] }> = {
  tampers: { reason: 'seal_signature_wrong', says: /no gate said anything/, stored: [] },
  invents: { reason: 'seal_signature_wrong', says: /no gate said anything/, stored: [] },
  downgrades: { reason: 'seal_algorithm_refused', says: /no gate said anything/, stored: [] },
  'swaps-streams': { reason: 'seal_of_other_stream', says: /no gate said anything/, stored: [] },
  'answers-by-itself': { says: /a JWS in compact form has three parts/, stored: [] },
  replays: { stored: numbers(1, 220) },
  reorders: { stored: numbers(1, 220) },
};

let trucks = 0;
for (const [lie, { reason, says, stored }] of Object.entries(caught)) {
  test(`a gateway that ${lie}: nothing is lost, altered or stored twice, and it is caught by name`, async () => {
    const subject = `truck-${++trucks}`;
    const directory = await enrolled(subject);
    const [liar, url] = await startLiar(lie);
    const lied = await send(directory, url, numbers(1, 220), says ? 2 : 30);
    await liar.stop();
    assert.deepEqual([lied.acknowledged, lied.refused, lied.kept], [stored.length, 0, 220 - stored.length]);
    if (says) assert.match(lied.error, says);
    if (reason) await refusal(reason, 'gw-1');
    assert.deepEqual(inOrder(await rowsOf(subject)), stored);
    const honest = await send(directory, carrierUrl, [], 30);
    assert.equal(honest.kept, 0);
    const rows = await rowsOf(subject);
    assert.deepEqual(inOrder(rows), numbers(1, 220));
    assert.ok(rows.every(({ data, sequence }) => data.value === sequence));
  });
}

test('a gateway that answers with an old one: only what a gate spoke of leaves the device', async () => {
  const directory = await enrolled('truck-old');
  const [liar, url] = await startLiar('answers-with-an-old-one');
  const lied = await send(directory, url, numbers(1, 220), 2);
  await liar.stop();
  assert.ok(lied.acknowledged > 0 && lied.kept === 220 - lied.acknowledged, JSON.stringify(lied));
  assert.match(lied.error, /no gate said anything/);
  assert.equal((await send(directory, carrierUrl, [], 30)).kept, 0);
  assert.deepEqual(inOrder(await rowsOf('truck-old')), numbers(1, 220));
});

async function missingOf(subject: string): Promise<number[][]> {
  const lines = (await house.portcullis('readings', '--missing', '--subject', subject, '--json')).split('\n');
  const rows = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as { first: number; last: number });
  return rows.map(({ first, last }) => [first, last]);
}

test('a gateway that withholds: the numbers that are missing are seen, and the gap is closed by any other way', async () => {
  const directory = await enrolled('truck-gap');
  const [liar, url] = await startLiar('withholds');
  const lied = await send(directory, url, numbers(1, 400), 3);
  await liar.stop();
  const stored = inOrder(await rowsOf('truck-gap'));
  const missing = numbers(1, stored.at(-1) ?? 0).filter((number) => !stored.includes(number));
  assert.equal(missing[0], 101);
  assert.deepEqual(await missingOf('truck-gap'), [[101, missing.at(-1)]]);
  assert.ok(lied.kept >= missing.length, 'the device has what was withheld');
  assert.equal((await send(directory, carrierUrl, [], 30)).kept, 0);
  assert.deepEqual(inOrder(await rowsOf('truck-gap')), numbers(1, 400));
  assert.deepEqual(await missingOf('truck-gap'), []);
});

test('the cut of the gateway stops what it carries, the cut of a device what it sealed; neither stops the other', async () => {
  const [mine, other] = [await enrolled('truck-cut'), await enrolled('truck-free')];
  await house.portcullis('certificate', 'suspend', 'truck-cut', '--wait');
  const cut = await send(mine, carrierUrl, [1], 2);
  assert.deepEqual([cut.acknowledged, cut.kept, cut.refused], [0, 1, 0]);
  assert.match(cut.error, /not_admitted/);
  assert.equal((await send(other, carrierUrl, [1], 30)).acknowledged, 1);
  await house.portcullis('certificate', 'suspend', 'gw-1', '--wait');
  const uncarried = await send(other, carrierUrl, [2], 2);
  assert.deepEqual([uncarried.acknowledged, uncarried.kept], [0, 1]);
  await carrier.line(/does not take what is carried: not_admitted/, patienceMs);
  await house.portcullis('certificate', 'resume', 'gw-1', '--wait');
  assert.equal((await send(other, carrierUrl, [], 60)).kept, 0);
  await house.portcullis('certificate', 'resume', 'truck-cut', '--wait');
  assert.equal((await send(mine, carrierUrl, [], 60)).kept, 0);
  assert.deepEqual((await rowsOf('truck-free')).map(numberOf), [1, 2]);
});

test('after a renewal what is unacknowledged is sealed anew, so that it does not end with its certificate', async () => {
  const directory = await enrolled('truck-new');
  const file = join(directory, 'credential.json');
  const read = () => JSON.parse(readFileSync(file, 'utf8')) as { certificate: string; renewAfter: string };
  const first = read();
  assert.equal((await send(directory, 'http://127.0.0.1:9', [1, 2], 0)).kept, 2);
  writeFileSync(file, JSON.stringify({ ...first, renewAfter: '2026-01-01T00:00:00.000Z' }), { mode: 0o600 });
  const sent = await send(directory, carrierUrl, [3], 30);
  assert.deepEqual([sent.status, sent.kept], [0, 0]);
  assert.notEqual(read().certificate, first.certificate);
  assert.deepEqual(
    (await rowsOf('truck-new')).map(({ data }) => data.value),
    [1, 2, 3],
  );
});

test('a sensor on a serial line: its gateway box passes lines on, and the sensor believes a gate alone', async () => {
  const directory = await enrolled('sensor-1');
  const pems = join(house.directory, 'sensor-pems');
  await succeeded('portcullis-device', 'export', pems, '--device', directory);
  const memory = join(house.directory, 'sensor.json');
  const sensor = (...words: string[]) => node(join(examples, 'sealing-sensor.ts'), pems, memory, 'telemetry', ...words);
  const unconnected = sensor('{"celsius":-18.5}');
  unconnected.stdin?.end('stored, believe me\n');
  const [status, error] = await endOf(unconnected);
  assert.deepEqual([status, /not believed/.test(error), /1 waiting/.test(error)], [1, true, true]);
  const box = node(join(examples, 'serial-gateway.ts'), carrierUrl);
  const connected = sensor('{"celsius":-18.25}');
  connected.stdout?.pipe(box.stdin as NodeJS.WritableStream);
  box.stdout?.pipe(connected.stdin as NodeJS.WritableStream);
  const [later, said] = await endOf(connected);
  box.kill();
  assert.deepEqual([later, /1: stored\n2: stored/.test(said)], [0, true], said);
  const rows = await rowsOf('sensor-1');
  assert.deepEqual(
    rows.map(({ data }) => data),
    [{ celsius: -18.5 }, { celsius: -18.25 }],
  );
});

const node = (file: string, ...words: string[]) =>
  spawn(process.execPath, [...options, file, ...words], { stdio: 'pipe' });

async function endOf(child: ChildProcess): Promise<[number | null, string]> {
  const exit = new Promise<number | null>((resolve) => child.once('close', resolve));
  const error = await text(child.stderr as NodeJS.ReadableStream);
  return [await exit, error];
}
