import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { KeyAlgorithm, keyAlgorithms } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import { makeCertificate, parseRequest, toPem } from '../pki/pki.ts';
import { fileKeys } from './keys.ts';

for (const algorithm of KeyAlgorithm.options) {
  test(`${algorithm}: a key in a file signs what was asked for with such a key, and OpenSSL agrees`, async (context) => {
    const directory = mkdtempSync(join(tmpdir(), 'portcullis-keys-'));
    context.after(() => rmSync(directory, { recursive: true, force: true }));
    const keys = fileKeys(directory);
    const made = await keys.create('issuer', algorithm);
    const signer = await keys.open('issuer');
    assert.ok(signer.publicKey.equals(made.publicKey));
    assert.deepEqual([signer.keyAlgorithm, signer.algorithm], [algorithm, keyAlgorithms[algorithm].signature]);
    const { publicKey } = parseRequest(makeRequest(makeKey(algorithm), 'truck-17'));
    const validity = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 };
    const names = { issuer: 'issuer', issuerPublicKey: signer.publicKey };
    const own = { serial: Buffer.alloc(16, 0x41), subject: 'issuer', publicKey: signer.publicKey };
    const authority = { pathLength: 0 };
    const issuer = await makeCertificate({ ...names, ...validity, ...own, authority }, signer);
    const leaf = { serial: Buffer.alloc(16, 0x42), subject: 'truck-17', publicKey, purposes: ['client' as const] };
    const certificate = new X509Certificate(await makeCertificate({ ...names, ...validity, ...leaf }, signer));
    assert.ok(certificate.verify(new X509Certificate(toPem('CERTIFICATE', issuer)).publicKey));
    assert.ok(certificate.checkIssued(new X509Certificate(issuer)));
    assert.throws(() => parseRequest(broken(makeRequest(makeKey(algorithm), 'truck-17'))), {
      code: 'request_signature_invalid',
    });
  });
}

/** With another bit in its signature's last byte. */
function broken(request: Buffer): Buffer {
  request[request.length - 1] = (request.at(-1) as number) ^ 1;
  return request;
}
