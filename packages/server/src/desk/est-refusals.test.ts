import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { type EstAnswer, PortcullisError } from '@portcullis/contract';
import { createLog } from '../telemetry/telemetry.ts';
import type { EstRefused } from './est-asking.ts';
import { EstDoor } from './est-door.ts';
import { EstRefusals } from './est-refusals.ts';

const secret = 'a'.repeat(43);

function open(ask: () => Promise<EstAnswer | EstRefused> = () => assert.fail('nothing is asked')) {
  const lines: Record<string, unknown>[] = [];
  const log = createLog({ role: 'desk', level: 'info' }, { write: (line) => lines.push(JSON.parse(line)) });
  const clock = { now: 0 };
  const system = { monotonic: () => clock.now };
  const door = new EstDoor({
    relaying: { taken: (_request, _from, work) => work() },
    ask,
    bodies: () => assert.fail('nobody asks for these'),
    refusals: new EstRefusals({ log, system }),
    system,
  });
  const post = (operation: string, { user, type = 'application/pkcs10' }: { user?: string; type?: string } = {}) => {
    const basic = user !== undefined && {
      authorization: `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}`,
    };
    const request = Object.assign(Readable.from([Buffer.from('AAAA')]), {
      ...{ method: 'POST', url: `/.well-known/est/${operation}`, headers: { 'content-type': type, ...basic } },
      socket: { remoteAddress: '192.0.2.1', getPeerCertificate: () => ({}) },
    });
    return door.answer(request as never);
  };
  return { lines, clock, post };
}

const refusing = async (): Promise<EstRefused> => ({
  refusal: { code: 'token_refused', message: 'the token can not be used' },
  told: { status: 403, headers: {}, body: '' },
});

test('each refusal by EST is a line of the log with its code and who it claims to be from, and never a secret', async () => {
  const { lines, post } = open(refusing);
  assert.equal((await post('simpleenroll', { user: 'truck-1' })).status, 401);
  assert.equal((await post('simpleenroll')).status, 401);
  await assert.rejects(post('simpleenroll', { user: 'truck-1', type: 'text/plain' }), PortcullisError);
  await assert.rejects(post('serverkeygen'), PortcullisError);
  assert.deepEqual(
    lines.map(({ level, code, claimed, from }) => ({ level, code, claimed, from })),
    [
      { level: 30, code: 'token_refused', claimed: 'truck-1', from: '192.0.2.1' },
      { level: 30, code: 'not_authenticated', claimed: undefined, from: '192.0.2.1' },
      { level: 30, code: 'media_type_unsupported', claimed: 'truck-1', from: '192.0.2.1' },
      { level: 30, code: 'route_unknown', claimed: undefined, from: '192.0.2.1' },
    ],
  );
  for (const { why } of lines) assert.ok(typeof why === 'string' && why.length > 0);
  assert.ok(!JSON.stringify(lines).includes(secret));
});

test('who renews without a certificate is told that one is needed', async () => {
  const { post } = open();
  const { status, body } = await post('simplereenroll', { user: 'truck-1' });
  assert.deepEqual([status, body], [401, 'use the client certificate that is to be renewed; a token renews nothing\n']);
  assert.match(String((await post('simpleenroll')).body), /the secret of its token, or use a client certificate/);
});

test('a secret in the place of the name is not written', async () => {
  const { lines, post } = open(refusing);
  await post('simpleenroll', { user: secret });
  assert.equal(lines.length, 1);
  assert.ok(!JSON.stringify(lines).includes(secret));
});

test('of one code a second has one line, and the next one says how many were not written', async () => {
  const { lines, clock, post } = open(refusing);
  for (let asked = 0; asked < 50; asked++) await post('simpleenroll', { user: `truck-${asked}` });
  await post('simpleenroll');
  assert.deepEqual(
    lines.map(({ code }) => code),
    ['token_refused', 'not_authenticated'],
  );
  clock.now += 1_000;
  await post('simpleenroll', { user: 'truck-1' });
  assert.equal(lines.length, 3);
  assert.equal(lines[2]?.notWritten, 49);
});
