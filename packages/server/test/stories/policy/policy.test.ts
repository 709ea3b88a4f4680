/** What a gate alone knows: files that decide, that may change while it runs, and that nobody else is told of. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect } from 'node:tls';
import type { ReadingView, VerdictView } from '@portcullis/contract';
import { patienceMs } from '../../../../../test/patience.ts';
import { assembleGate } from '../../../src/assemble-gate.ts';
import { GatePolicyFiles } from '../../../src/config/config.ts';
import type { Sink } from '../../../src/storage/sink.ts';
import { type Answer, decided, eventually, House, type Pem, post, readingsUrl } from '../../house.ts';
import { Operator } from '../../operator.ts';

const streams = (status: string, more = '') => `streams:
  telemetry:
    expect: { status: ${status} }${more}
  sealed:
    expect: { status: active }
    expectedFrom: expected.ndjson
  cold:
    schema: cold.json
`;
let house: House;
let operator: Operator;
let pem: Pem;
let yaml: string;

/** Whole at once: a gate that looks in the middle of a write would take the half that is there for another policy. */
function write(name: string, text: string): void {
  const next = join(house.home, 'next');
  writeFileSync(next, text);
  renameSync(next, join(house.fleet, name));
}
const policy = async () => (await operator.gates())[0]?.policy;
/** As a row has it: what a gate has told the authority may be a moment old. */
async function policyOfRow(id: string): Promise<number | undefined> {
  assert.equal((await decided(readingsUrl(house), pem, JSON.stringify({ _id: id }))).status, 202);
  const rows = await operator.readings(house.gateUrl, 'truck-17');
  return rows.find((row) => row.id === id)?.policy;
}
const problemOf = ({ body }: Answer) => JSON.parse(body) as Record<string, unknown>;

before(async () => {
  house = await House.open((made) => {
    made.configure('fleet.yaml', (text) => {
      const { leaseMs, patienceMs } = made.lease(1_000);
      return `${text}leaseMs: ${leaseMs}\npatienceMs: ${patienceMs}\n`;
    });
    made.configure('gate.yaml', (text) => {
      yaml = text.slice(0, text.indexOf('streams:'));
      return yaml + streams('active');
    });
    const expected = ['{"subject":"truck-17","seal":"9f3c"}', '{"subject":"truck-18","seal":"1"}'];
    writeFileSync(join(made.fleet, 'expected.ndjson'), `${expected.join('\n')}\n${expected[1]}\n`);
    writeFileSync(join(made.fleet, 'cold.json'), '{"properties":{"t":{"type":"number","maximum":8}}}');
  });
  operator = new Operator(house.fleet);
  pem = await house.pem(await house.device('truck-17'));
});
after(async () => {
  operator.close();
  await house.close();
});

test('P10: the second factor refuses whoever lacks it, and no device is told what was expected', async () => {
  const url = readingsUrl(house, 'sealed');
  assert.equal(problemOf(await decided(url, pem, '{}')).reason, 'attribute_missing');
  await operator.change('attributes', { subjects: ['truck-17'], set: { seal: 'a000' }, visibility: 'public' }, 10_000);
  const { reason, expected, found } = problemOf(await decided(url, pem, '{}'));
  assert.deepEqual([reason, expected, found], ['attribute_not_expected', undefined, undefined]);
  const [explained] = await house.json<VerdictView>('explain', 'truck-17', '--stream', 'sealed');
  assert.deepEqual([explained?.expected, explained?.found], [{ seal: '9f3c' }, { seal: 'a000' }]);
  await operator.set('truck-17', { seal: '9f3c' });
  assert.equal((await decided(url, pem, '{}')).status, 202);
  const twice = await house.pem(await house.device('truck-18'));
  assert.equal(problemOf(await decided(url, twice, '{}')).reason, 'expectation_ambiguous');
  const stranger = await house.pem(await house.device('truck-19'));
  assert.equal(problemOf(await decided(url, stranger, '{}')).reason, 'expectation_missing');
});

test('a reading that does not match the schema is refused for good, and told where', async () => {
  const url = readingsUrl(house, 'cold');
  assert.equal((await decided(url, pem, '{"t":4}')).status, 202);
  const refused = await decided(url, pem, '{"t":4}\n{"t":"warm"}\n', { 'content-type': 'application/x-ndjson' });
  const { reason, line, detail } = problemOf(refused);
  assert.deepEqual([refused.status, reason, line, detail], [422, 'schema_not_met', 2, '"/t" must be number']);
});

test('P6: a changed policy closes the connections that it does not admit any more; rows keep the number that judged them', async () => {
  const socket = connect({ host: 'localhost', port: house.basePort + 3, ...pem, minVersion: 'TLSv1.3' });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  await eventually(async () => ((await operator.gates())[0]?.connections ?? 0) > 0, 'it is counted');
  assert.equal((await decided(readingsUrl(house), pem, '{"_id":"old"}')).status, 202);
  // None of the streams admits the device: only then is its connection of no use to it.
  write(
    'gate.yaml',
    `${yaml}${streams('sold').replace('schema: cold.json', 'kinds: [gateway]').replace('status: active', 'status: sold')}`,
  );
  await once(socket, 'close');
  assert.equal(problemOf(await decided(readingsUrl(house), pem, '{}')).reason, 'attribute_not_expected');
  write('gate.yaml', yaml + streams('active'));
  await eventually(
    async () => (await decided(readingsUrl(house), pem, '{"_id":"new"}')).status === 202,
    'admitted again',
  );
  const rows = await house.json<ReadingView>('readings', 'telemetry');
  const numbers = ['old', 'new'].map((id) => rows.find((row) => row.id === id)?.policy);
  assert.deepEqual(numbers, [1, 3]);
});

test('an attribute that no stream looked at before is known as soon as the policy is in force', async () => {
  await operator.set('truck-17', { site: 'hamburg' });
  write('gate.yaml', yaml + streams('active, site: berlin'));
  const isInForce = async () => {
    const answer = await decided(readingsUrl(house), pem, '{}');
    const reason = answer.status === 202 ? undefined : problemOf(answer).reason;
    assert.ok(reason === undefined || reason === 'attribute_not_expected', `never as one that is not set: ${reason}`);
    return reason !== undefined;
  };
  await eventually(isInForce, 'it is in force');
  await operator.set('truck-17', { site: 'berlin' });
  assert.equal((await decided(readingsUrl(house), pem, '{}')).status, 202);
  const receipt = await operator.set('truck-17', { site: 'hamburg' });
  assert.equal(receipt.confirmed, true);
  assert.equal(problemOf(await decided(readingsUrl(house), pem, '{}')).reason, 'attribute_not_expected');
  await operator.set('truck-17', { site: 'berlin' });
});

test('files that are not valid are refused loudly and whole, and the policy before stays', async () => {
  const before = await policyOfRow('before');
  await eventually(async () => (await policy()) === before, 'the authority has heard of it');
  const whole = readFileSync(join(house.fleet, 'expected.ndjson'), 'utf8');
  write('expected.ndjson', '{"subject":"truck-17","seal":');
  await house.gate?.line(/the policy is not replaced; number \d+ stays: .*expected\.ndjson:1: the line is not JSON/);
  await eventually(async () => (await operator.gates())[0]?.policyRefused === true, 'operators see it');
  assert.equal((await house.portcullis('config', 'check')).status, 1);
  assert.equal((await decided(readingsUrl(house, 'sealed'), pem, '{}')).status, 202);
  assert.equal(await policy(), before);
  write('expected.ndjson', whole.replace('9f3c', 'beef'));
  await eventually(
    async () => (await decided(readingsUrl(house, 'sealed'), pem, '{}')).status === 403,
    'the next is taken',
  );
  assert.equal((await house.portcullis('config', 'check')).status, 0);
});

test('what is not a policy counts after a restart, and says so', async () => {
  write('gate.yaml', `${yaml}${streams('active, site: berlin')}retainDays: 3\n`);
  await house.gate?.line(/gate\.yaml: what these keys say counts after a restart/);
});

test('rule 7: what waits for its commit is judged by the policy that came meanwhile, what is being committed keeps its own', async () => {
  await house.gate?.stop();
  write('gate.yaml', yaml + streams('active'));
  const held: (() => void)[] = [];
  const slow = (sink: Sink): Sink =>
    Object.assign(sink, {
      write: async (...words: Parameters<Sink['write']>) => {
        await new Promise<void>((resolve) => held.push(resolve));
        return Object.getPrototypeOf(sink).write.apply(sink, words);
      },
    });
  const files = new GatePolicyFiles(house.fleet);
  const gate = await assembleGate(house.fleet, files, AbortSignal.timeout(patienceMs), { disk: slow });
  try {
    const number = (await operator.gates()).find(({ instance }) => instance === gate.instance)?.policy;
    const inFlight = post(readingsUrl(house), pem, '{"_id":"in-flight"}');
    await eventually(() => held.length === 1, 'its commit has begun');
    const queued = post(readingsUrl(house), pem, '{"_id":"queued"}');
    write('gate.yaml', yaml + streams('sold'));
    assert.equal(problemOf(await queued).reason, 'attribute_not_expected');
    held.shift()?.();
    assert.equal((await inFlight).status, 202);
    const rows = await house.json<ReadingView>('readings', 'telemetry');
    assert.equal(rows.find(({ id }) => id === 'in-flight')?.policy, number);
    assert.ok(!rows.some(({ id }) => id === 'queued'));
  } finally {
    for (const release of held) release();
    await gate[Symbol.asyncDispose]();
  }
});
