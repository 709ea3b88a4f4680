/** A rule on readings and two gates, real processes: what a device did is one account, whoever heard it and whoever died meanwhile. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ExcursionsView, type RuledSubject } from '@portcullis/contract';
import { parseAnswer } from '@portcullis/device';
import { Running, succeeded } from '../../../../../tools/commands.ts';
import { eventually, House, type Pem, post, readingsUrl } from '../../house.ts';
import { Operator } from '../../operator.ts';

const rule = (outside: string) => `rule: cold-chain
streams: [telemetry]
outside: ${outside}
inside: reading.t <= 7.5
for: 10m
silent: 30m
on: { breach: { cold_chain: broken }, well: { cold_chain: intact } }
`;

let house: House;
let operator: Operator;
let tracker: Pem;
let second: Running;
let secondUrl = '';

before(async () => {
  house = await House.open((made) => {
    writeRule(made, 'reading.t > 8');
    // What a gate answers while the authority is away, it answers under this one.
    made.configure(
      'fleet.yaml',
      (text) => `${text.replace(/^leaseMs:.*\n/m, '')}leaseMs: ${made.lease(15_000).leaseMs}\n`,
    );
  });
  operator = new Operator(house.fleet);
  tracker = await operator.enrolled('tracker-1', join(house.home, 'tracker-1'));
  const directory = join(house.home, 'gate-2');
  const [made] = await house.json<{ token: string }>('token', 'create', 'gate-2', '--kind', 'gate');
  secondUrl = `https://localhost:${house.basePort + 2}/v1/streams/telemetry/readings`;
  await succeeded('portcullis', 'gate', 'join', directory, made?.token as string, '--port', String(house.basePort + 2));
  second = new Running('portcullis', 'start', 'gate', directory);
  await second.line(/^gate listening/, 60_000);
});
after(async () => {
  operator?.close();
  await second?.stop();
  await house?.close();
});

function writeRule({ fleet }: House, outside: string): void {
  mkdirSync(join(fleet, 'rules'), { recursive: true });
  writeFileSync(join(fleet, 'rules', 'cold-chain.yaml'), rule(outside));
}

/** By the device's own clock, which is right. Resolves to the time of the reading. */
async function send(url: string, t: number, at = Date.now()): Promise<string> {
  const time = new Date(at).toISOString();
  const { status, body } = await post(url, tracker, JSON.stringify({ t, _time: time, _clock: 'synchronized' }));
  assert.equal(status, 202, body);
  return time;
}

async function account(): Promise<RuledSubject> {
  const url = `${operator.credential.authority}/v1/subjects/tracker-1/excursions`;
  const found = ExcursionsView.parse(parseAnswer(await operator.link.request({ url, method: 'GET' })));
  return found.rules.find((one) => one.rule === 'cold-chain') as RuledSubject;
}
const says = (words: string, is: (found: RuledSubject) => boolean) =>
  eventually(
    async () => {
      const found: RuledSubject | undefined = await account();
      return found !== undefined && is(found);
    },
    words,
    60_000,
  );
const first = () => readingsUrl(house);

test('a device that roams is out of bounds from the one reading to the other, whichever gates had them', async () => {
  await send(first(), 5);
  await says('all is well', ({ status }) => status === 'well');
  const from = await send(secondUrl, 9);
  await says('it is outside', ({ excursions }) => excursions[0]?.from === from);
  const to = await send(first(), 5);
  await says('it is back', ({ excursions }) => excursions[0]?.to === to);
  assert.deepEqual((await account()).breaches, []);
});

test('P8: kill -9 of a gate right after its answer: what it found is told by its next process, once', async () => {
  const known = (await account()).excursions.length;
  const from = await send(first(), 9);
  await house.gate?.kill();
  await house.startGate();
  await says('it is told', ({ excursions }) => excursions.at(-1)?.from === from);
  const to = await send(first(), 5);
  await says('it is back', ({ excursions }) => excursions.at(-1)?.to === to);
  assert.equal((await account()).excursions.length, known + 1);
});

test('edges are kept while the authority is away, and a late reading makes an excursion longer', async () => {
  const before = (await account()).excursions.length;
  await house.authority?.kill();
  const from = Date.now();
  await send(first(), 9, from + 50);
  const to = await send(first(), 5, from + 100);
  await house.startAuthority();
  await says('it is told', ({ excursions }) => excursions.length === before + 1);
  await send(first(), 9, from + 20);
  const late = new Date(from + 20).toISOString();
  await says('it began earlier', ({ excursions }) => excursions.at(-1)?.from === late);
  assert.equal((await account()).excursions.at(-1)?.to, to);
});

test('a rule that changes counts from its revision on, and edges say by which they were found', async () => {
  const earlier = (await account()).excursions.at(-1)?.ruleRevision ?? 0;
  writeRule(house, 'reading.t > 20');
  await eventually(
    async () => (await house.json<{ outside: string }>('rule', 'list'))[0]?.outside === 'reading.t > 20',
    'it is in force',
    60_000,
  );
  const known = (await account()).excursions.length;
  await eventually(
    async () => {
      await send(first(), 19);
      await send(first(), 21);
      await send(first(), 5);
      const last = (await account()).excursions.at(-1);
      return (last?.ruleRevision ?? 0) > earlier;
    },
    'an excursion of the new revision',
    60_000,
  );
  assert.ok((await account()).excursions.length > known);
});
