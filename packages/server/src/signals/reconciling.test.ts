import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { alert, delivery, openScene, over } from '../../test/signals.ts';
import { createLog } from '../telemetry/telemetry.ts';
import { askSource } from './asking.ts';
import { Reconciling } from './reconciling.ts';

async function serve(context: TestContext, answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** As Alertmanager 0.25 answers, shortened. */
const told = (fingerprint: string, state: string) => ({
  ...{ fingerprint, labels: { alertname: 'Overheated' }, startsAt: '2026-11-27T10:00:00.000Z' },
  status: { state, silencedBy: [], inhibitedBy: [] },
});

test('an alert that its source keeps to itself, or has forgotten, is shown so beside its hold, and stays held', async (context) => {
  const scene = await openScene(context);
  const known: object[] = [told('active', 'active'), told('muted', 'suppressed')];
  const url = await serve(context, (asked, answer) => {
    assert.equal(asked.url, '/api/v2/alerts');
    answer.setHeader('content-type', 'application/json').end(JSON.stringify(known));
  });
  const keys = { 'truck-1': 'active', 'truck-2': 'muted', 'truck-3': 'forgotten' };
  for (const [device, key] of Object.entries(keys))
    await scene.signals.receive('plant', delivery(alert(device, { key })));
  const reconciling = new Reconciling({
    ...scene,
    log: createLog({ role: 'authority', level: 'error' }),
    addresses: new Map([['plant', { url, allowPrivate: true, everyMs: 60_000 }]]),
  });
  const shown = async () =>
    (await scene.signals.list({ limit: 10 })).items.map((one) => `${one.key} ${one.alert.state}`);
  await reconciling.reconcile('plant');
  assert.deepEqual((await shown()).toSorted(), ['active firing', 'forgotten gone', 'muted muted']);
  for (const device of Object.keys(keys)) assert.equal(await scene.statusOf(device), 'quarantined');
  known.push(told('forgotten', 'active'));
  await reconciling.reconcile('plant');
  assert.deepEqual((await shown()).toSorted(), ['active firing', 'forgotten firing', 'muted muted']);
  await scene.signals.receive('plant', delivery(over('truck-2', { key: 'muted' })));
  await reconciling.reconcile('plant');
  assert.ok((await shown()).includes('muted claimed_resolved'), 'what was said is not taken back');
});

const answers: [string, RequestListener, RegExp][] = [
  ['a redirect', (_asked, answer) => void answer.writeHead(302, { location: '/' }).end(), /status 302/],
  ['what is no list of alerts', (_asked, answer) => void answer.end('{"status":"success"}'), /expected array/],
  ['no JSON', (_asked, answer) => void answer.end('<html>'), /JSON/],
];
for (const [title, listener, why] of answers) {
  test(`${title} is no answer, and changes nothing`, async (context) => {
    await assert.rejects(askSource({ url: await serve(context, listener), allowPrivate: true }), why);
  });
}

test('a private address is asked only where the source says that it may be', async (context) => {
  const url = await serve(context, (_asked, answer) => void answer.end('[]'));
  await assert.rejects(askSource({ url, allowPrivate: false }), { code: 'address_not_allowed' });
  assert.deepEqual(await askSource({ url, allowPrivate: true }), new Map());
});
