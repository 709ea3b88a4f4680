import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import type { CutMessage } from '@portcullis/contract';
import type { Leaf } from '../../../../test/fleet-certificates.ts';
import { Asking, answered, derOf } from '../../../../test/open-decide.ts';
import { until } from '../../../../test/open-front.ts';
import { realSystem } from '../../../telemetry/telemetry.ts';

const isAbout = (subject: string, type: string) => (line: CutMessage) =>
  line.type === type && 'subject' in line && line.subject === subject;

test('the socket is for its owner and its group, and a proxy gets 204, or 403 with the code', async (context) => {
  const asking = await Asking.open(context);
  assert.equal(statSync(asking.path).mode & 0o777, 0o660);
  const device = await asking.gate.device('truck-17');
  const shown = { 'client-cert': derOf(device) };
  const ask = () => asking.ask('/v1/decide?stream=telemetry', shown);
  assert.deepEqual(await ask(), { status: 204, reason: undefined, text: '' });
  asking.change({ subject: 'truck-17', attributes: { status: { value: 'off' } } });
  assert.deepEqual(await ask(), { status: 403, reason: 'attribute_not_expected', text: '' });
  const body = { certificate: derOf(device), stream: 'telemetry' };
  const posted = await asking.post(body);
  assert.deepEqual(posted.text, '{"verdict":"refused","reason":"attribute_not_expected"}', 'its code alone');
  asking.change({ subject: 'truck-17', attributes: { status: { value: 'active' } } });
  assert.equal((await asking.post(body)).text, '{"verdict":"admitted"}');
  assert.deepEqual(asking.gate.advice.askers, [null]);
  assert.deepEqual(asking.gate.advice.counters, { admitted: 2, refused: 2 });
  assert.equal(asking.gate.verdicts.counters.refused, 0, 'advice is no verdict of the gate');
});

test('H1, H2: two certificates, none, and what is none', async (context) => {
  const asking = await Asking.open(context);
  const [one, other] = [await asking.gate.device('truck-17'), await asking.gate.device('truck-18')];
  const statusOf = async (path: string, certificate?: string | string[]) => {
    const { status, reason } = await asking.ask(path, certificate === undefined ? {} : { 'client-cert': certificate });
    return reason ?? status;
  };
  const path = '/v1/decide?stream=telemetry';
  assert.equal(await statusOf(path, [derOf(one), derOf(other)]), 400);
  assert.equal(await statusOf(path, [derOf(one), derOf(one)]), 400, 'not even the same one');
  assert.equal(await statusOf(path, `${derOf(one)}, ${derOf(other)}`), 400);
  assert.equal(await statusOf(path), 'certificate_missing');
  assert.equal(await statusOf(path, ''), 'certificate_missing');
  assert.equal(await statusOf(path, one.fingerprint), 400);
  assert.equal(await statusOf(path, 'A'.repeat(15_000)), 400);
  assert.equal(await statusOf(`${path}&stream=other`, derOf(one)), 400, 'nor a stream twice');
  assert.equal(await statusOf(`${path}&more=1`, derOf(one)), 400);
  assert.equal(await statusOf('/v1/decide', derOf(one)), 400);
  assert.equal(await statusOf('/v1/decide?stream=NO', derOf(one)), 400);
  assert.equal(await statusOf('/v1/status'), 404, 'there is nothing else to ask');
});

test('bodies that are no question are refused, and bounded', async (context) => {
  const asking = await Asking.open(context);
  const bodies = [
    '',
    '[]',
    '{"certificate":"","stream":"telemetry"',
    '{"certificate":"","certificate":"x","stream":"telemetry"}',
    '{"certificate":"","stream":"telemetry","subject":"truck-17"}',
    '{"certificate":7,"stream":"telemetry"}',
    '{"certificate":"","stream":"../x"}',
  ];
  for (const body of bodies) assert.equal((await asking.post(body)).status, 400, body);
  const long = await asking.post({ certificate: 'A'.repeat(100_000), stream: 'telemetry' });
  assert.equal(long.status, 413);
  const wrong = request({ socketPath: asking.path, method: 'PUT', path: '/v1/decide', agent: false });
  assert.equal((await answered(wrong)).status, 405);
});

test('over the network asks who is a gateway and was made a proxy, and for as long as it is one', async (context) => {
  const asking = await Asking.open(context);
  const { gate } = asking;
  const device = await gate.device('truck-17');
  const proxied = { certificates: [] as Leaf[], attributes: { proxy: { value: true } }, kind: 'gateway' as const };
  const proxy = await gate.certificates.leaf({ subject: 'proxy-1', kind: 'gateway' });
  const other = await gate.certificates.leaf({ subject: 'gateway-2', kind: 'gateway' });
  asking.change({ subject: 'proxy-1', ...proxied, certificates: [proxy] });
  asking.change({ subject: 'gateway-2', kind: 'gateway', certificates: [other] });
  const ask = (leaf: Leaf) => asking.overNetwork(leaf, '/v1/decide?stream=telemetry', { 'client-cert': derOf(device) });
  assert.equal((await ask(proxy)).status, 204);
  assert.deepEqual(gate.advice.askers, ['proxy-1']);
  const refused = await Promise.all([ask(device), ask(other)]);
  assert.deepEqual(
    refused.map(({ status, text }) => [status, JSON.parse(text).reason]),
    [
      [403, 'kind_not_admitted'],
      [403, 'attribute_missing'],
    ],
  );
  const nobody = { key: undefined, cert: undefined } as unknown as Leaf;
  await assert.rejects(ask(nobody), 'without a certificate there is no handshake');
  asking.change({ subject: 'proxy-1', attributes: { proxy: { value: false } }, kind: 'gateway' });
  assert.equal((await ask(proxy)).status, 403);
  assert.equal(gate.verdicts.counters.refused, 4, 'that a proxy is refused is a verdict');
});

test('who follows the cuts is told all that are cut, and from then on each change', async (context) => {
  const asking = await Asking.open(context);
  const { gate } = asking;
  for (const name of ['truck-1', 'truck-2', 'truck-3']) await gate.device(name);
  asking.change({ subject: 'truck-2', attributes: { status: { value: 'off' } } });
  const [lines, anyStream] = [await asking.follow(context, '?stream=telemetry'), await asking.follow(context)];
  await until(() => lines.some(({ type }) => type === 'complete'), 'the list ends');
  const [first, ...list] = lines.filter(({ type }) => type !== 'beat');
  assert.equal(first?.type, 'list');
  assert.deepEqual(
    list.map((line) => [line.type, 'subject' in line && line.subject]),
    [
      ['cut', 'truck-2'],
      ['complete', false],
    ],
  );
  asking.change({ subject: 'truck-3', certificates: [], attributes: { status: { value: 'off' } } });
  asking.change({ subject: 'truck-2', attributes: { status: { value: 'active' } } });
  await until(() => lines.some(isAbout('truck-3', 'cut')), 'a cut is told');
  await until(() => lines.some(isAbout('truck-2', 'admitted')), 'and that it is over');
  await until(() => anyStream.some(isAbout('truck-3', 'cut')), 'to everybody');
  await until(() => lines.some((line) => line.type === 'beat' && line.lease), 'with a beat');
  gate.lease.end();
  await until(() => lines.some((line) => line.type === 'beat' && !line.lease), 'which says that the lease is over');
  const before = lines.filter(({ type }) => type === 'list').length;
  asking.cuts.allChanged();
  await until(() => lines.filter(({ type }) => type === 'list').length > before, 'a new policy is a new list');
});

test('B13: who does not read is cut off, and of thousands of changes nothing is kept for him', async (context) => {
  const asking = await Asking.open(context);
  const { gate } = asking;
  const names = Array.from({ length: 3_000 }, (_, index) => `truck-${index}`);
  const fingerprint = (name: string) => Buffer.from(name.padEnd(32)).toString('hex');
  gate.fed.change(names.map((subject) => ({ subject, certificates: [{ fingerprint: fingerprint(subject) }] })));
  const silent = connect(asking.path);
  context.after(() => silent.destroy());
  silent.write('GET /v1/cuts HTTP/1.1\r\nhost: x\r\n\r\n');
  silent.pause();
  await until(() => asking.cuts.size === 1, 'it is followed');
  for (let round = 0; round < 40; round++) {
    asking.change(...names.map((subject) => ({ subject, attributes: { status: { value: `off ${round}` } } })));
    await new Promise((resolve) => setImmediate(resolve));
  }
  asking.now = realSystem.monotonic() + 60_000;
  await until(() => asking.cuts.size === 0, 'and is not any more');
  assert.equal((await asking.ask('/v1/decide?stream=telemetry')).status, 403, 'others are answered');
});
