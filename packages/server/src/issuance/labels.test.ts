import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect, createServer, type TLSSocket } from 'node:tls';
import {
  FleetName,
  type KeyAlgorithm,
  LabelStatement,
  labelStatementType,
  StandingsRequest,
} from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import { compactVerify, decodeProtectedHeader, importX509 } from 'jose';
import { asking } from '../../test/asking.ts';
import { openRecords, putSubject } from '../../test/records.ts';
import { fileKeys } from '../keys/keys.ts';
import { toPem } from '../pki/pki.ts';
import { symbolOf } from '../trade/trade.ts';
import { makeFleet, openIssuance, openLabels } from './issuance.ts';

async function house(context: TestContext, now?: number, algorithm: KeyAlgorithm = 'p-256') {
  const records = await openRecords(context);
  const { directory, store, system, clock } = records;
  clock.now = now ?? clock.now;
  mkdirSync(join(directory, 'keys'));
  const keys = fileKeys(join(directory, 'keys'));
  await makeFleet({ store, keys, system, fleet: FleetName.parse('lane'), algorithm });
  const issuance = await openIssuance({ store, keys, system });
  const made: string[] = [];
  const parts = { issuance, store, fleet: 'lane', system };
  const labels = openLabels({
    ...parts,
    makeKey() {
      const key = makeKey(issuance.keysOf('shipment'));
      made.push(key);
      return { key, request: makeRequest(key, 'label') };
    },
  });
  await putSubject(records, 'load-7', 'shipment');
  return { ...records, issuance, labels, made };
}

test('a label says once what its certificate is of, and its chain ends at the root', async (context) => {
  const { labels, issuance, journal, clock } = await house(context);
  const label = await labels.make('load-7', { journey: 'vaccine-lane', sscc: '106141412345678908' });
  await journal.change({ actor: 'ann', action: 'shipments.create' }, (change) => label.record(change));
  const statement = await labels.statementOf('load-7');
  assert.equal(statement, label.statement);
  assert.equal(await labels.statementOf('load-8'), undefined);

  const { x5c = [], typ } = decodeProtectedHeader(label.statement);
  const [leaf, issuer] = x5c.map((der) => new X509Certificate(Buffer.from(der, 'base64')));
  assert.ok(leaf && issuer);
  const root = new X509Certificate(issuance.bundle.roots);
  assert.ok(leaf.checkIssued(issuer) && leaf.verify(issuer.publicKey));
  assert.ok(issuer.checkIssued(root) && issuer.verify(root.publicKey));
  const { payload } = await compactVerify(label.statement, await importX509(leaf.toString(), 'ES256'));
  const says = LabelStatement.parse(JSON.parse(Buffer.from(payload).toString()));
  const iat = Math.floor(clock.now / 1000);
  assert.deepEqual(says, { iss: 'lane', sub: 'load-7', iat, journey: 'vaccine-lane', sscc: '106141412345678908' });
  assert.equal(typ, labelStatementType);
  assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.36'], 'documentSigning alone (RFC 9336)');
  assert.match(leaf.subjectAltName ?? '', /URI:spiffe:\/\/lane\/shipment\/load-7/);
  assert.ok(symbolOf(label.statement, 'L').size <= 161, 'it fits a symbol that a telephone reads from paper');
});

test('a label of a fleet of ML-DSA is signed with it', async (context) => {
  const { labels, clock } = await house(context, undefined, 'ml-dsa-87');
  const { statement } = await labels.make('load-7', {});
  const { x5c = [], alg } = decodeProtectedHeader(statement);
  const { publicKey } = new X509Certificate(Buffer.from(x5c[0] ?? '', 'base64'));
  assert.equal(alg, 'ML-DSA-87');
  assert.ok(statement.length <= 65_536, 'as much as a device reads');
  const { payload } = await compactVerify(statement, publicKey);
  const { sub, iat } = LabelStatement.parse(JSON.parse(Buffer.from(payload).toString()));
  assert.deepEqual([sub, iat], ['load-7', Math.floor(clock.now / 1000)]);
});

test('gates are told nothing of a label certificate, and it ends with the shipment', async (context) => {
  const { labels, journal, revocation } = await house(context);
  const label = await labels.make('load-7', {});
  const told: unknown[] = [];
  journal.onChange(({ subjects }) => told.push(...subjects));
  await journal.change({ actor: 'ann', action: 'shipments.create' }, (change) => label.record(change));
  assert.deepEqual(told, [{ subject: 'load-7', kind: 'shipment' }]);
  await revocation.change({ actor: 'ann' }, StandingsRequest.parse({ action: 'revoke', subject: 'load-7' }));
  assert.equal((await revocation.find(label.signed.fingerprint))?.standing, 'revoked');
});

test('nobody authenticates with a label certificate, even who kept its key', async (context) => {
  const { labels, issuance, made } = await house(context, Date.now());
  const { signed } = await labels.make('load-7', {});
  const [key = ''] = made;
  const request = makeRequest(key, 'x');
  const client = await issuance.issue(await issuance.check({ subject: 'load-7', kind: 'shipment', request, asking }));
  const hosts = ['localhost'];
  const own = await issuance.issue(await issuance.check({ subject: 'gate', kind: 'gate', request, hosts }));
  const server = createServer({
    ...{ key, cert: own.pem + own.issuerPem, ca: issuance.bundle.roots, minVersion: 'TLSv1.3' },
    ...{ requestCert: true, rejectUnauthorized: false },
  });
  server.on('secureConnection', (socket: TLSSocket) =>
    socket.end(socket.authorized ? 'admitted' : String(socket.authorizationError)),
  );
  await once(server.listen(0, '127.0.0.1'), 'listening');
  context.after(() => server.close());
  const { port } = server.address() as { port: number };
  const said = (leaf: Buffer, issuer: string) =>
    new Promise<string>((resolve) => {
      const cert = toPem('CERTIFICATE', leaf) + issuer;
      const socket = connect({
        host: '127.0.0.1',
        servername: 'localhost',
        port,
        key,
        cert,
        ca: issuance.bundle.roots,
      });
      let heard = '';
      socket.on('data', (bytes) => (heard += bytes.toString()));
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      socket.on('end', () => resolve(heard));
    });
  assert.equal(await said(client.der, client.issuerPem), 'admitted');
  assert.match(await said(signed.der, signed.issuerPem), /unsuitable certificate purpose|INVALID_PURPOSE/);
});
