/** The way of a signal in, over real TLS: what proves it, what it may cost, and what its sender is told. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { PortcullisError, type SignalAnswer } from '@portcullis/contract';
import { Webhook } from 'standardwebhooks';
import { FleetCertificates, type Leaf } from '../../test/fleet-certificates.ts';
import { until } from '../../test/open-front.ts';
import type { By } from '../journal/journal.ts';
import { type Delivery, SignalIntake, Sources } from '../signals/signals.ts';
import { realSystem } from '../telemetry/telemetry.ts';
import type { Rooms } from './route.ts';
import { makeServer, tlsOptions } from './server.ts';
import { signalRoutes, sourceRoutes } from './signal-deliveries.ts';

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const token = 'a-token-of-256-bits';
const bearer = { authorization: `Bearer ${token}` };
const alert = (key: string) => ({
  status: 'firing',
  labels: { device: 'sensor-7' },
  annotations: {},
  fingerprint: key,
});
const alerts = (...keys: string[]) => JSON.stringify({ version: '4', alerts: keys.map(alert) });

type Receive = (source: string, delivery: Delivery, by?: Pick<By, 'requireAllowed'>) => Promise<SignalAnswer>;

const allHeld: Receive = async (_source, delivery) => ({
  revision: 7,
  results: delivery.alerts.map(({ key, bad }) => ({ key, outcome: bad === undefined ? 'held' : 'refused' })),
  warnings: [],
});

interface Asked {
  leaf?: Leaf;
  headers?: OutgoingHttpHeaders;
  method?: string;
  body?: string | Buffer;
  path?: string;
}

interface Told {
  status: number;
  headers: IncomingHttpHeaders;
  body: { reason?: string; detail?: string; revision?: number; receipt?: unknown; results?: { outcome: string }[] };
}

const roomy = { proven: 64 * 1024 * 1024, others: 64 * 1024 * 1024 };

async function opened(context: TestContext, { receive = allHeld, deadlineMs = 60_000, memory = roomy } = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-signals-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const hash = createHash('sha256').update(token).digest('hex');
  for (const [name, text] of [['key', secret] as const, ['token', hash] as const])
    writeFileSync(join(directory, name), text, { mode: 0o600 });
  const said: string[] = [];
  const log = {
    error() {},
    warn: (found: { why?: string }, words: string) => void said.push(found.why ?? words),
  };
  const sources = new Sources({
    directory,
    system: realSystem,
    signals: {
      plant: { certificate: 'alertmanager-1', format: 'alertmanager', from: [] },
      door: { hmac: 'key', format: 'json', from: [] },
      probe: { bearer: 'token', format: 'alertmanager', from: [] },
      elsewhere: { bearer: 'token', format: 'alertmanager', from: ['192.0.2.0/24'] },
    },
  });
  const rung: string[] = [];
  const raise = async ({ key, says }: { key: string; says: string }) => void rung.push(`${key}: ${says}`);
  const intake = new SignalIntake({
    sources,
    receive,
    raise,
    log: log as never,
    system: realSystem,
    deadlineMs,
    memory,
  });
  context.after(() => intake[Symbol.asyncDispose]());
  const certificates = await FleetCertificates.make();
  const server = await certificates.leaf({ subject: 'authority', kind: 'authority', purpose: 'server' });
  const monitors = new Map<string, string>();
  const monitor = async (subject: string) => {
    const leaf = await certificates.leaf({ subject, kind: 'monitor' });
    monitors.set(leaf.fingerprint, subject);
    return leaf;
  };
  const found = (fingerprint: string) => ({
    ...{ fingerprint, subject: monitors.get(fingerprint), kind: 'monitor', purpose: 'client' },
    ...{ standing: monitors.has(fingerprint) ? 'valid' : 'revoked', notBefore: 0, notAfter: Infinity, readOnly: 0 },
  });
  const rooms = {
    ...{ intake, log, system: realSystem },
    revocation: { find: async (fingerprint: string) => found(fingerprint) },
    feed: {
      receipt: async (revision: number) => ({
        revision,
        confirmed: true,
        elapsedMs: 3,
        connectionsClosed: 1,
        gates: [],
      }),
    },
  } as unknown as Rooms;
  const listening = async (rows: typeof signalRoutes, trust: string | undefined) => {
    const opened = await makeServer(rooms, rows, tlsOptions({ key: server.key, certificate: server.cert }, trust));
    await opened.listen({ host: '127.0.0.1', port: 0 });
    context.after(() => opened.close());
    return (opened.server.address() as AddressInfo).port;
  };
  const ports = {
    api: await listening(signalRoutes, certificates.trust),
    sources: await listening(sourceRoutes, undefined),
  };
  const ask = (source: string, { leaf, headers, method = 'POST', body = alerts('a'), path }: Asked = {}) =>
    new Promise<Told>((resolve, reject) => {
      const asked = request(
        {
          ...{ host: '127.0.0.1', port: leaf ? ports.api : ports.sources, method, agent: false },
          ...{ path: path ?? `/v1/signals/${source}`, ca: certificates.rootPem },
          ...(leaf && { key: leaf.key, cert: leaf.cert }),
          headers: { 'content-type': 'application/json', ...headers },
        },
        (answer) => {
          let text = '';
          answer.setEncoding('utf8').on('data', (part: string) => {
            text += part;
          });
          answer.on('end', () =>
            resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: JSON.parse(text || '{}') }),
          );
        },
      );
      asked.on('error', reject);
      asked.end(method === 'GET' ? undefined : body);
    });
  /** A request whose body has begun, and does not end. */
  const begin = (source: string, headers: OutgoingHttpHeaders, piece = '{') => {
    const at = { host: '127.0.0.1', port: ports.sources, method: 'POST', agent: false };
    const more = { ca: certificates.rootPem, path: `/v1/signals/${source}`, headers };
    const asked = request({ ...at, ...more });
    asked.on('error', () => undefined);
    asked.write(piece);
    return asked;
  };
  return { ask, begin, monitor, monitors, intake, said, rung };
}

function signed(body: string, { id = 'msg_1', atMs = Date.now(), by = secret } = {}) {
  return {
    ...{ 'webhook-id': id, 'webhook-timestamp': String(Math.floor(atMs / 1000)) },
    'webhook-signature': new Webhook(by).sign(id, new Date(atMs), body),
  };
}

test('a signal of a source is answered with what became of each of its alerts, with its receipt where it is asked for', async (context) => {
  const { ask, monitor } = await opened(context);
  const leaf = await monitor('alertmanager-1');
  const { status, body } = await ask('plant', { leaf, body: alerts('a', 'b\0') });
  assert.equal(status, 200);
  assert.deepEqual(
    body.results?.map(({ outcome }) => outcome),
    ['held', 'refused'],
  );
  assert.equal(body.receipt, undefined);
  const waited = await ask('plant', { leaf, path: '/v1/signals/plant?wait=all' });
  assert.deepEqual(waited.body.receipt, {
    revision: 7,
    confirmed: true,
    elapsedMs: 3,
    connectionsClosed: 1,
    gates: [],
  });
  assert.equal((await ask('probe', { headers: bearer })).status, 200);
  const json = '{"key":"door-3"}';
  assert.equal((await ask('door', { headers: signed(json), body: json })).status, 200);
});

test('whoever proves nothing changes nothing, and is not told which sources there are', async (context) => {
  const received: string[] = [];
  const receive: Receive = async (source, delivery) => {
    received.push(source);
    return allHeld(source, delivery);
  };
  const { ask, monitor, monitors, rung } = await opened(context, { receive });
  const other = await monitor('alertmanager-2');
  const json = '{"key":"door-3"}';
  const rows: [string, string, Asked][] = [
    ['another monitor', 'plant', { leaf: other }],
    ['a monitor, for a source of a token', 'probe', { leaf: other, headers: bearer }],
    ['nobody, for a source of a certificate', 'plant', { headers: bearer }],
    ['no token', 'probe', {}],
    ['a wrong token', 'probe', { headers: { authorization: 'Bearer x' } }],
    ['an address that is not the source’s', 'elsewhere', { headers: bearer }],
    ['a source that there is not', 'nobody', { headers: bearer }],
    ['no signature', 'door', { body: json }],
    ['a signature over other bytes', 'door', { headers: signed(json), body: `${json} ` }],
    ['a signature of ten minutes ago', 'door', { headers: signed(json, { atMs: Date.now() - 600_000 }), body: json }],
    ['a signature by another key', 'door', { headers: signed(json, { by: `whsec_${'A'.repeat(32)}` }), body: json }],
    ['a signature twice', 'door', { headers: { ...signed(json), 'webhook-id': ['msg_1', 'msg_1'] }, body: json }],
  ];
  for (const [what, source, asked] of rows) {
    const { status, body } = await ask(source, asked);
    assert.deepEqual([status, body.reason], [403, 'signal_unproven'], what);
  }
  const leaf = await monitor('alertmanager-1');
  monitors.delete(leaf.fingerprint);
  assert.equal((await ask('plant', { leaf })).body.reason, 'not_authenticated');
  assert.deepEqual(received, []);
  // Once for each source that there is, however often it is tried.
  assert.deepEqual(rung.map((words) => words.split(' ')[0]).toSorted(), ['door', 'elsewhere', 'plant', 'probe']);
});

test('what a source can show before its body is looked at before: of a stranger nothing is read', async (context) => {
  const { begin } = await opened(context);
  const rows: [string, OutgoingHttpHeaders][] = [
    ['probe', { authorization: 'Bearer x' }],
    ['elsewhere', bearer],
    ['door', signed('{}', { atMs: Date.now() - 600_000 })],
    ['nobody', bearer],
  ];
  for (const [source, headers] of rows) {
    const asked = begin(source, headers);
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    assert.equal(answer.statusCode, 403, source);
    asked.destroy();
  }
});

test('P13: a body that breaks off gives back the memory that it had', async (context) => {
  const { begin, intake } = await opened(context);
  const asked = begin('probe', bearer, 'x'.repeat(100_000));
  await until(() => intake.others.bytes > 0, 'it has begun to come');
  asked.destroy();
  await until(() => intake.others.bytes === 0, 'it is given back');
});

test('what never can be taken is a 4xx: no alerts, no JSON, too much', async (context) => {
  const { ask, monitor, said, rung } = await opened(context);
  const leaf = await monitor('alertmanager-1');
  for (const body of ['', '{', '[]', '{"alerts":7}', Buffer.from([0xff])])
    assert.deepEqual([(await ask('plant', { leaf, body })).status], [400]);
  const tooLong = { 'content-length': 16 * 1024 * 1024 + 1 };
  assert.equal(
    (await ask('plant', { leaf, headers: tooLong, method: 'POST', body: '' }).catch(() => ({ status: 413 }))).status,
    413,
  );
  const large = JSON.stringify({ key: 'x', data: 'x'.repeat(1024 * 1024) });
  assert.equal((await ask('door', { headers: signed(large), body: large })).status, 413);
  assert.ok(
    said.some((why) => why.startsWith('body: ')),
    said.join('\n'),
  );
  const which = rung.map((words) => words.split(' ').slice(0, 2).join(' '));
  assert.deepEqual(which.toSorted(), ['door request_too_large', 'plant request_malformed', 'plant request_too_large']);
});

test('alerts that a sender left out ring: what is not there can not cut', async (context) => {
  const { ask, monitor, rung } = await opened(context);
  const leaf = await monitor('alertmanager-1');
  const body = JSON.stringify({ version: '4', alerts: [alert('a')], truncatedAlerts: 3 });
  for (const _time of [1, 2]) assert.equal((await ask('plant', { leaf, body })).status, 200);
  assert.equal(rung.length, 1);
  assert.match(rung[0] ?? '', /^plant truncated \d+: the source "plant" left out 3 alerts .*"max_alerts" must be 0$/);
});

test('GET is 405, and no answer leads elsewhere', async (context) => {
  const { ask, monitor } = await opened(context);
  const leaf = await monitor('alertmanager-1');
  for (const asked of [
    { leaf, method: 'GET' },
    { method: 'GET', headers: bearer },
  ]) {
    const { status, headers } = await ask('plant', asked);
    assert.deepEqual([status, headers.allow, headers.location], [405, 'POST', undefined]);
  }
  assert.equal((await ask('plant', { leaf, path: '/v1/signals/plant/' })).status, 404);
});

test('what may heal is a 503, within the deadline, whatever went wrong', async (context) => {
  const failing: Receive[] = [
    () => Promise.reject(new Error('a bug')),
    () => Promise.reject(new PortcullisError('disk_full', 'the disk is full')),
    () => Promise.reject(new PortcullisError('subject_unknown', 'nobody foresaw it')),
    () => new Promise(() => undefined),
  ];
  const reasons: (string | undefined)[] = [];
  for (const receive of failing) {
    const { ask } = await opened(context, { receive, deadlineMs: 50 });
    const { status, body, headers } = await ask('probe', { headers: bearer });
    assert.deepEqual([status, headers['retry-after']], [503, '1']);
    reasons.push(body.reason);
  }
  assert.deepEqual(reasons, ['signals_busy', 'disk_full', 'signals_busy', 'signals_busy']);
});

test('a monitor that is cut while its signal waits changes nothing: its standing is looked at in the transaction', async (context) => {
  let cut: () => void = () => undefined;
  const receive: Receive = async (source, delivery, by) => {
    cut();
    await by?.requireAllowed?.(undefined as never);
    return allHeld(source, delivery);
  };
  const { ask, monitor, monitors } = await opened(context, { receive });
  const leaf = await monitor('alertmanager-1');
  assert.equal((await ask('plant', { leaf })).status, 200);
  cut = () => void monitors.delete(leaf.fingerprint);
  assert.deepEqual([(await ask('plant', { leaf })).status], [403]);
});

test('P13: bodies share so much memory; beyond it a sender is told to come again, and those with a certificate do not notice', async (context) => {
  const held = Promise.withResolvers<void>();
  const receive: Receive = async (source, delivery) => {
    if (source === 'probe') await held.promise;
    return allHeld(source, delivery);
  };
  const { ask, monitor, intake } = await opened(context, { receive, memory: { proven: 1_000_000, others: 1_000_000 } });
  const leaf = await monitor('alertmanager-1');
  const large = `${alerts('a')}${' '.repeat(450_000)}`;
  const first = [1, 2].map(() => ask('probe', { headers: bearer, body: large }));
  const third = Promise.race([...first, ask('probe', { headers: bearer, body: large })]);
  assert.deepEqual([(await third).status, (await third).body.reason], [503, 'signals_busy']);
  assert.equal((await ask('plant', { leaf, body: large })).status, 200);
  held.resolve();
  const statuses = (await Promise.all(first)).map(({ status }) => status);
  assert.ok(statuses.includes(200), statuses.join());
  assert.deepEqual([intake.others.bytes, intake.proven.bytes], [0, 0]);
});
