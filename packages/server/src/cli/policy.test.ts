import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { requestWith, skip } from '../../test/openssl-requests.ts';
import { toPem } from '../pki/pki.ts';
import { runTo } from './cli.ts';

function fleetWith(context: TestContext, policy: string) {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-policy-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const profiles = `profiles:\n  device:\n    policy: ${policy}\n`;
  const urls = 'authorityUrl: https://localhost:1\nenrolmentUrl: https://localhost:2\n';
  writeFileSync(join(directory, 'fleet.yaml'), `fleet: f\nhosts: [localhost]\nlisten: {}\n${urls}${profiles}`);
  const run = async (...words: string[]) => {
    const [out, side] = [new PassThrough({ encoding: 'utf8' }), new PassThrough({ encoding: 'utf8' })];
    const status = await runTo(out, side, ['--fleet', directory, 'policy', 'test', ...words]);
    return { status, out: String(out.read() ?? ''), side: String(side.read() ?? '') };
  };
  return { directory, run };
}

test('what a policy says to a request is told with what it sees, and a no has status 1', async (context) => {
  const { run } = fleetWith(context, 'request.way == "token" || attributes.level > 2.0');
  const { status, out } = await run('device', '--json');
  const { allowed, subject, request } = JSON.parse(out);
  assert.deepEqual([status, allowed, subject], [0, true, { id: 'device-1', kind: 'device' }]);
  assert.deepEqual(request, {
    ...{ way: 'token', est: false, key: 'p-256', names: ['device-1'], validSeconds: 30 * 86_400 },
  });
  assert.equal((await run('device', '--way', 'renewal', 'level=3')).status, 0);
  const no = await run('device', '--way', 'renewal', '--est', 'level=1', '--subject', 'truck-1');
  assert.equal(no.status, 1);
  assert.match(no.out, /^not allowed by profiles\.device\.policy: it is false\n\{[\s\S]*"truck-1"[\s\S]*"level": 1/);
  assert.match((await run('device', '--way', 'renewal')).out, /it can not be evaluated/);
  assert.match((await run('gateway')).out, /^there is no profiles\.gateway\.policy: all is allowed\n/);
});

test('the request of a device may be given, in PEM or DER', { skip }, async (context) => {
  const { directory, run } = fleetWith(context, 'request.key == "p-384" && "a.example" in request.names');
  const request = requestWith({ algorithm: 'P-384', extensions: ['subjectAltName=DNS:a.example'] });
  for (const [name, bytes] of [
    ['request.der', request],
    ['request.pem', toPem('CERTIFICATE REQUEST', request)],
  ] as const) {
    writeFileSync(join(directory, name), bytes);
    assert.equal((await run('device', '--request', join(directory, name))).status, 0);
  }
  assert.equal((await run('device')).status, 1);
  writeFileSync(join(directory, 'request.der'), 'x');
  assert.match((await run('device', '--request', join(directory, 'request.der'))).side, /request_malformed/);
});

test('words that are wrong are refused before anything is read', async (context) => {
  const { run } = fleetWith(context, 'true');
  for (const words of [['authority'], ['device', '--way', 'x'], ['device', '--subject', 'A B'], ['device', 'x']])
    assert.equal((await run(...words)).status, 2, words.join(' '));
});
