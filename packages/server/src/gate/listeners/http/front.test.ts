import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Agent } from 'node:https';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { PortcullisError, type VerdictView } from '@portcullis/contract';
import { fingerprintNamed } from '../../../../test/fed-replica.ts';
import { OpenFront, until } from '../../../../test/open-front.ts';
import { readAll } from '../../../storage/sink/sink.contract.ts';
import type { Sink } from '../../../storage/sink.ts';

const off = (subject: string) => ({ subject, attributes: { status: { value: 'off' } } });
const active = (subject: string) => ({ subject, attributes: { status: { value: 'active' } } });

/** A client that has not heard yet that its connection ended would send over it once more. */
const holdsNone = (agent: Agent) => Object.keys(agent.freeSockets).length === 0;

test('P8: what is acknowledged with 202 is stored, one reading or many', async (context) => {
  const gate = await OpenFront.open(context);
  const agent = gate.agent(await gate.device('truck-17'));
  const one = await gate.post(agent, '{"_id":"a","t":1}');
  assert.deepEqual([one.status, one.body], [202, { acknowledged: 1, ids: ['a'], revision: 1 }]);
  const many = await gate.post(agent, '{"t":2}\n{"t":3}\n', { headers: { 'content-type': 'application/x-ndjson' } });
  assert.deepEqual([many.status, many.body.acknowledged], [202, 2]);
  assert.deepEqual(await gate.stored(), [{ t: 1 }, { t: 2 }, { t: 3 }]);
  agent.destroy();
});

test('an acknowledgement names the bundle that devices should have, while there is one that they should; a refusal does not', async (context) => {
  const gate = await OpenFront.open(context);
  const agent = gate.agent(await gate.device('truck-17'));
  const named = async (body: string) => (await gate.post(agent, body)).headers['portcullis-bundle-due'];
  assert.equal(await named('{"t":1}'), undefined);
  gate.bundleDue = 7;
  assert.equal(await named('{"t":2}'), '7');
  assert.equal(await named('no reading'), undefined);
  gate.bundleDue = undefined;
  assert.equal(await named('{"t":3}'), undefined);
  agent.destroy();
});

test('P6: flip, refusal with its reason on the open connection, close; flip back, admitted at the first try', async (context) => {
  const gate = await OpenFront.open(context);
  const leaf = await gate.device('truck-17');
  const agent = gate.agent(leaf);
  assert.equal((await gate.post(agent, '{"t":1}')).status, 202);
  assert.deepEqual(gate.used, [leaf.fingerprint], 'its certificate is in use');
  assert.equal(gate.connections.size, 1);
  gate.change(off('truck-17'));
  assert.equal(gate.connections.closed, 1);
  await until(() => gate.connections.size === 0 && holdsNone(agent), 'the idle connection is closed, at both ends');
  const refused = await gate.post(agent, '{"t":2}');
  assert.deepEqual([refused.status, refused.body.reason], [403, 'attribute_not_expected']);
  assert.equal(gate.used.length, 1, 'by what is refused none is');
  assert.equal(refused.headers.connection, 'close');
  await until(() => gate.connections.size === 0 && holdsNone(agent), 'the connection of the refusal is closed');
  gate.change(active('truck-17'));
  assert.equal((await gate.post(agent, '{"t":3}')).status, 202);
  assert.deepEqual(await gate.stored(), [{ t: 1 }, { t: 3 }]);
  agent.destroy();
});

test('B4: a suspended device completes its handshake and is told 403 and no more, each time it comes back', async (context) => {
  const gate = await OpenFront.open(context);
  const leaf = await gate.device('truck-17');
  gate.change({ subject: 'truck-17', certificates: [{ ...leaf, standing: 'suspended' }] });
  for (let tries = 0; tries < 3; tries++) {
    const agent = gate.agent(leaf);
    const { status, body, headers } = await gate.post(agent, '{"t":1}');
    assert.deepEqual([status, body.reason, headers.connection], [403, 'not_admitted', 'close']);
    assert.deepEqual(Object.keys(body).toSorted(), ['reason', 'status', 'title', 'type']);
    agent.destroy();
  }
  await gate.verdicts.flush();
  const { items } = await gate.sink.refusals({ limit: 10 });
  assert.ok(items.every(({ reason, changedBy }) => reason === 'certificate_suspended' && changedBy === 'operator-1'));
  assert.deepEqual(await gate.stored(), []);
});

test('P6: a request that is being received when its certificate is cut is answered with the reason, at once', async (context) => {
  const gate = await OpenFront.open(context);
  const socket = await gate.socket(await gate.device('truck-17'));
  socket.write('POST /v1/streams/telemetry/readings HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n');
  socket.write('content-length: 100\r\n\r\n{"t":');
  await until(() => gate.intake.bytes > 0, 'its body has begun');
  let answer = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    answer += text;
  });
  gate.change(off('truck-17'));
  await once(socket, 'close');
  assert.match(answer, /^HTTP\/1.1 403 /);
  assert.match(answer, /connection: close/i);
  assert.match(answer, /attribute_not_expected/);
});

test('P6, rule 7: what waits for its commit when its certificate is cut is refused, what was admitted for others is stored', async (context) => {
  const held: (() => void)[] = [];
  const gate = await OpenFront.open(context, {
    sink: (real) =>
      Object.assign(Object.create(real) as typeof real, {
        lastBatch: real.lastBatch,
        write: async (write: Parameters<typeof real.write>[0]) => {
          await new Promise<void>((resolve) => held.push(resolve));
          return real.write(write);
        },
        mark: (looked: Parameters<typeof real.mark>[0]) => real.mark(looked),
        read: (query: Parameters<typeof real.read>[0]) => real.read(query),
        keepRefusals: (views: VerdictView[]) => real.keepRefusals(views),
      }),
  });
  const [first, cut, other] = [
    gate.agent(await gate.device('a')),
    gate.agent(await gate.device('b')),
    gate.agent(await gate.device('c')),
  ];
  const inFlight = gate.post(first, '{"of":"a"}');
  await until(() => held.length === 1, 'the first commit is in flight');
  const submitted = context.mock.method(gate.recording, 'submit');
  const queued = [gate.post(cut, '{"of":"b"}'), gate.post(other, '{"of":"c"}')];
  await until(() => submitted.mock.callCount() === 2, 'the others wait for their commit');
  gate.change(off('b'));
  const refused = await (queued[0] as (typeof queued)[number]);
  assert.deepEqual(
    [refused.status, refused.body.reason, refused.headers.connection],
    [403, 'attribute_not_expected', 'close'],
  );
  held.shift()?.();
  assert.equal((await inFlight).status, 202);
  await until(() => held.length === 1, 'the next commit');
  held.shift()?.();
  const stored = await (queued[1] as (typeof queued)[number]);
  assert.deepEqual(
    [stored.status, stored.body.revision],
    [202, 4],
    'stored with the revision that it was judged at last',
  );
  assert.deepEqual(await gate.stored(), [{ of: 'a' }, { of: 'c' }]);
  for (const agent of [first, cut, other]) agent.destroy();
});

test('P5: with the lease over, 503 and Retry-After, and the connection stays; with the next lease it goes on', async (context) => {
  const gate = await OpenFront.open(context);
  const agent = gate.agent(await gate.device('truck-17'));
  gate.lease.end();
  const { status, body, headers } = await gate.post(agent, '{"t":1}');
  assert.deepEqual([status, body.reason, headers['retry-after']], [503, 'replica_stale', '1']);
  assert.notEqual(headers.connection, 'close');
  gate.grant();
  assert.equal((await gate.post(agent, '{"t":2}')).status, 202);
  assert.deepEqual(await gate.stored(), [{ t: 2 }]);
  agent.destroy();
});

test('P10: a device is told what public attributes should be and are; of private ones, and of the gate, nothing', async (context) => {
  const streams = {
    seal: { kinds: ['device' as const], expect: { seal: 'whole' } },
    hidden: { kinds: ['device' as const], expect: { status: 'secret-value' } },
    gateways: { kinds: ['gateway' as const], expect: {} },
    cold: { kinds: ['device' as const], expect: {}, when: 'reading.t < 8.0' },
    berlin: { kinds: ['device' as const], expect: {}, when: 'attributes.status == "berlin"' },
  };
  const gate = await OpenFront.open(context, { streams });
  const attributes = { status: { value: 'active' }, seal: { value: 'broken', public: true } };
  const agent = gate.agent(await gate.device('truck-17', { attributes }));
  const told = async (stream: string) => (await gate.post(agent, '{"t":9}', { stream })).body;
  const shown = await told('seal');
  assert.deepEqual(
    [shown.reason, shown.expected, shown.found],
    ['attribute_not_expected', { seal: 'whole' }, { seal: 'broken' }],
  );
  for (const [stream, reason] of [
    ['hidden', 'attribute_not_expected'],
    ['gateways', 'kind_not_admitted'],
    ['cold', 'condition_not_met'],
    ['berlin', 'subject_condition_not_met'],
    ['nowhere', 'stream_unknown'],
  ] as const) {
    const body = await told(stream);
    assert.deepEqual([body.reason, body.expected, body.found], [reason, undefined, undefined]);
    assert.doesNotMatch(JSON.stringify(body), /secret-value|gateway"|8\.0|berlin/);
  }
  agent.destroy();
});

test('A5: a refusal on one stream leaves the connection of a device that another stream admits', async (context) => {
  const streams = {
    telemetry: { kinds: ['device' as const], expect: { status: 'active' } },
    diagnosis: { kinds: ['device' as const], expect: {} },
  };
  const gate = await OpenFront.open(context, { streams });
  const agent = gate.agent(await gate.device('truck-17'));
  gate.change(off('truck-17'));
  const refused = await gate.post(agent, '{"t":1}');
  assert.deepEqual([refused.status, refused.headers.connection], [403, 'keep-alive']);
  assert.equal((await gate.post(agent, '{"t":1}', { stream: 'diagnosis' })).status, 202);
  assert.deepEqual([gate.connections.closed, gate.connections.size], [0, 1]);
  agent.destroy();
});

test('P13: a full disk is 503 with nothing stored, and recovers when there is space', async (context) => {
  let full = true;
  const gate = await OpenFront.open(context, {
    sink: (real) => {
      const write = real.write.bind(real);
      real.write = (one) => (full ? Promise.reject(new PortcullisError('disk_full', 'no space')) : write(one));
      return real;
    },
  });
  const agent = gate.agent(await gate.device('truck-17'));
  const refused = await gate.post(agent, '{"_id":"a","t":1}');
  assert.deepEqual(
    [refused.status, refused.body.reason, refused.headers['retry-after']],
    [503, 'sink_unavailable', '1'],
  );
  full = false;
  assert.equal((await gate.post(agent, '{"_id":"a","t":1}')).status, 202);
  assert.deepEqual(await gate.stored(), [{ t: 1 }]);
  agent.destroy();
});

test('P13: bodies that are being received are bounded over all connections together', async (context) => {
  const gate = await OpenFront.open(context, { limits: { queueBytesMax: 1_500_000 } });
  const leaf = await gate.device('truck-17');
  const agent = gate.agent(leaf);
  const slow = await gate.socket(leaf);
  slow.write('POST /v1/streams/telemetry/readings HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\n');
  slow.write(`content-length: 2000000\r\n\r\n${'{"a":1}\n'.repeat(110_000)}`);
  const body = '{"a":1}\n'.repeat(100_000);
  const ndjson = { headers: { 'content-type': 'application/x-ndjson' } };
  await until(async () => (await gate.post(agent, body, ndjson)).body.reason === 'gate_overloaded', 'it is full');
  assert.equal((await gate.post(agent, '{"t":1}')).status, 202, 'small ones still find room');
  slow.destroy();
  await until(
    async () => (await gate.post(agent, body, ndjson)).body.reason === 'reading_too_large',
    'the room is free again',
  );
  agent.destroy();
});

test('requests that follow each other without waiting are answered in their order', async (context) => {
  const gate = await OpenFront.open(context);
  const socket = await gate.socket(await gate.device('truck-17'));
  const one = (id: string) => {
    const body = `{"_id":"${id}","t":1}`;
    return `POST /v1/streams/telemetry/readings HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  };
  let answers = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    answers += text;
  });
  socket.write(one('a') + one('b') + one('c'));
  await until(() => (answers.match(/202 Accepted/g) ?? []).length === 3, 'three answers');
  assert.deepEqual(
    [...answers.matchAll(/"ids":\["(.)"\]/g)].map((match) => match[1]),
    ['a', 'b', 'c'],
  );
  socket.destroy();
});

test('H1: a forwarded certificate or name in a header means nothing', async (context) => {
  const gate = await OpenFront.open(context);
  await gate.device('truck-17');
  const stranger = await gate.certificates.leaf({ subject: 'truck-17' });
  const agent = gate.agent(stranger);
  const headers = {
    'x-forwarded-client-cert': `Hash=${fingerprintNamed('truck-17')}`,
    'x-ssl-client-verify': 'SUCCESS',
  };
  const { status, body } = await gate.post(agent, '{}', { headers });
  assert.deepEqual([status, body.reason], [403, 'certificate_unknown']);
  agent.destroy();
});

test('stopping: a commit that takes longer than a second is answered all the same', async (context) => {
  const taken = Promise.withResolvers<void>();
  const slowly =
    (sink: Sink): Sink['write'] =>
    async (batch) => {
      taken.resolve();
      await pause(1_050);
      return sink.write(batch);
    };
  const sink = (real: Sink) =>
    new Proxy(real, {
      get: (target, name) => {
        if (name === 'write') return slowly(target);
        const member: unknown = Reflect.get(target, name, target);
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
  const gate = await OpenFront.open(context, { sink });
  const agent = gate.agent(await gate.device('truck-17'));
  const asked = gate.post(agent, '{"t":1}');
  await taken.promise;
  const stopped = gate.recording.stop();
  await Promise.all([gate.listeners.close(), stopped]);
  assert.equal((await asked).status, 202);
  agent.destroy();
});

test('stopping: what was taken is answered, what comes after is told that the gate is stopping or finds nobody', async (context) => {
  const gate = await OpenFront.open(context);
  const agent = gate.agent(await gate.device('truck-17'), 8);
  await gate.post(agent, '{"t":0}');
  const asked = Array.from({ length: 8 }, (_, t) => gate.post(agent, `{"t":${t}}`).catch((error: Error) => error));
  await until(() => gate.connections.size === 8, 'all have come');
  const stopped = gate.recording.stop();
  await gate.listeners.close();
  await stopped;
  let acknowledged = 1;
  for (const answer of await Promise.all(asked)) {
    if (answer instanceof Error) continue;
    assert.ok(answer.status === 202 || answer.body.reason === 'gate_stopping', JSON.stringify(answer.body));
    if (answer.status === 202) acknowledged++;
  }
  assert.equal((await readAll(gate.sink)).length, acknowledged);
  agent.destroy();
});
