/** Where phones reach a desk: by a certificate from files, which are replaced under it, or behind a proxy. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, get as plainGet } from 'node:http';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { FleetCertificates } from '../../test/fleet-certificates.ts';
import { createLog, realSystem } from '../telemetry/telemetry.ts';
import { openPhones } from './phones.ts';
import type { DeskLimits } from './promises.ts';
import { PublicCertificate } from './public-certificate.ts';

const limits: DeskLimits = {
  ...{ handshakeMs: 5_000, connectionsMax: 100, pendingHandshakesMax: 16, idleMs: 5_000, requestMs: 5_000 },
  ...{ unfinishedBytesPerAddressMax: 1_048_576, unfinishedBytesMax: 1_048_576 },
  ...{ relayedMax: 1, relayedPerAddressMax: 1, relayMs: 1_000, lookUpAgeMs: 60_000, publicAgeMs: 60_000 },
};
const log = createLog({ role: 'desk', level: 'silent' });
const answer = async (_request: IncomingMessage, from?: string) => ({
  status: 200,
  headers: {},
  body: from ?? 'itself',
});

const bodyOf = (answered: IncomingMessage) =>
  new Promise<string>((resolve) => {
    let body = '';
    answered.setEncoding('utf8').on('data', (piece: string) => {
      body += piece;
    });
    answered.on('end', () => resolve(body));
  });

async function filesOf(context: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-phones-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const files = { certificate: join(directory, 'fullchain.pem'), key: join(directory, 'privkey.pem') };
  const authority = await FleetCertificates.make('public');
  const put = async (
    name: string,
    which: { key?: boolean; certificate?: boolean } = { key: true, certificate: true },
  ) => {
    const { key, cert, fingerprint } = await authority.leaf({ subject: name, kind: 'desk', purpose: 'server' });
    if (which.key) writeFileSync(files.key, key, { mode: 0o600 });
    if (which.certificate) writeFileSync(files.certificate, cert);
    return { key, cert, fingerprint };
  };
  return { files, authority, put };
}

test('it shows the certificate of its files, to phones that know TLS 1.2 alone too', async (context) => {
  const { files, authority, put } = await filesOf(context);
  const { fingerprint } = await put('desk.example');
  const settings = { url: 'https://desk.example', host: '127.0.0.1', port: 0, ...files };
  const phones = await openPhones({ settings, limits, system: realSystem, log, answer });
  context.after(() => phones.close());
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const options = { host: 'localhost', port: phones.port, ca: authority.rootPem, agent: false, maxVersion };
    const told = await new Promise<IncomingMessage>((resolve, reject) => get(options, resolve).on('error', reject));
    const { fingerprint256 } = (told.socket as TLSSocket).getPeerCertificate();
    assert.equal(fingerprint256.replaceAll(':', '').toLowerCase(), fingerprint);
    assert.equal(await bodyOf(told), 'itself');
  }
  const old = connect({
    host: 'localhost',
    port: phones.port,
    ca: authority.rootPem,
    maxVersion: 'TLSv1.1',
    minVersion: 'TLSv1.1',
  });
  await assert.rejects(new Promise((resolve, reject) => old.on('secureConnect', resolve).on('error', reject)));
});

test('files that are replaced are shown once both fit, and one that does not is told and left', async (context) => {
  const { files, put } = await filesOf(context);
  const first = await put('first');
  const shown: string[] = [];
  const parts = { files, log, onReplaced: ({ certificate }: { certificate: string }) => void shown.push(certificate) };
  const { files: watched, identity } = await PublicCertificate.open(parts);
  assert.equal(identity.certificate, first.cert);
  await watched.look();
  await put('half', { certificate: true });
  await watched.look();
  await watched.look();
  assert.deepEqual(shown, []);
  const next = await put('next');
  await watched.look();
  await watched.look();
  assert.deepEqual(shown, [next.cert]);
  rmSync(files.key);
  await watched.look();
  await put('open');
  chmodSync(files.key, 0o644);
  await watched.look();
  assert.equal(shown.length, 1);
});

test('a desk does not start with files that can not be used, and says which', async (context) => {
  const { files, put } = await filesOf(context);
  const open = () => PublicCertificate.open({ files, log, onReplaced: () => undefined });
  await assert.rejects(open(), { code: 'key_unusable', message: /couldn't read .*fullchain.pem": ENOENT/ });
  await put('first', { certificate: true });
  writeFileSync(files.key, 'no key', { mode: 0o600 });
  await assert.rejects(open(), { code: 'key_unusable', message: /is not the certificate of the key/ });
  await put('first');
  chmodSync(files.key, 0o640);
  await assert.rejects(open(), { code: 'key_unusable', message: /has mode 640; it must be 600/ });
});

test('behind a proxy it answers without TLS, and takes the word of the proxy for who asks', async (context) => {
  const settings = { url: 'https://desk.example', host: '127.0.0.1', port: 0 };
  const phones = await openPhones({ settings, limits, system: realSystem, log, answer });
  context.after(() => phones.close());
  const ask = async (headers: Record<string, string>) => {
    const options = { host: '127.0.0.1', port: phones.port, headers, agent: false };
    return bodyOf(
      await new Promise<IncomingMessage>((resolve, reject) => plainGet(options, resolve).on('error', reject)),
    );
  };
  assert.equal(await ask({ 'x-forwarded-for': '198.51.100.7, 203.0.113.9' }), '203.0.113.9');
  assert.equal(await ask({ 'x-forwarded-for': 'nobody' }), '127.0.0.1');
  assert.equal(await ask({}), '127.0.0.1');
});
