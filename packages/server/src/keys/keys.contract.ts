/** What every keeper of keys promises, as a suite that each of them runs. */
import assert from 'node:assert/strict';
import { createPublicKey, verify, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { type KeyAlgorithm, keyAlgorithms } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import { makeCertificate, parseRequest, toPem } from '../pki/pki.ts';
import type { Keys } from './keys.ts';

interface Keeper {
  /** How the sentences name it. */
  keeper: string;
  algorithms: readonly KeyAlgorithm[];
  /** An empty one, and how another process opens the same: what it keeps goes when the test ends. */
  make(after: (end: () => unknown) => void): Promise<{ keys: Keys; again(): Promise<Keys> }>;
}

export function keysContract({ keeper, algorithms, make }: Keeper): void {
  for (const algorithm of algorithms) {
    test(`${keeper}, ${algorithm}: what it signs with a key verifies by that key's public half, before and after another opening`, async (context) => {
      const { keys, again } = await make((end) => context.after(end));
      const made = await keys.create('issuer-1', algorithm);
      const { signature, digest } = keyAlgorithms[algorithm];
      for (const signer of [made, await keys.open('issuer-1'), await (await again()).open('issuer-1')]) {
        assert.ok(signer.publicKey.equals(made.publicKey));
        assert.deepEqual([signer.name, signer.keyAlgorithm, signer.algorithm], ['issuer-1', algorithm, signature]);
        const key = createPublicKey({ key: signer.publicKey, format: 'der', type: 'spki' });
        for (const bytes of [Buffer.alloc(0), Buffer.from('a'), Buffer.alloc(100_000, 7)]) {
          assert.ok(verify(digest, bytes, key, await signer.sign(bytes)));
        }
      }
    });

    test(`${keeper}, ${algorithm}: a certificate that it signs verifies at its issuer`, async (context) => {
      const { keys } = await make((end) => context.after(end));
      const signer = await keys.create('issuer-1', algorithm);
      const { publicKey } = parseRequest(makeRequest(makeKey(algorithm), 'truck-17'));
      const validity = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 };
      const below = { ...validity, issuer: 'issuer', issuerPublicKey: signer.publicKey };
      const own = { serial: Buffer.alloc(16, 0x41), subject: 'issuer', publicKey: signer.publicKey };
      const issuer = await makeCertificate({ ...below, ...own, authority: { pathLength: 0 } }, signer);
      const leaf = { serial: Buffer.alloc(16, 0x42), subject: 'truck-17', publicKey, purposes: ['client' as const] };
      const certificate = new X509Certificate(await makeCertificate({ ...below, ...leaf }, signer));
      assert.ok(certificate.verify(new X509Certificate(toPem('CERTIFICATE', issuer)).publicKey));
      assert.ok(certificate.checkIssued(new X509Certificate(issuer)));
    });
  }

  const [algorithm] = algorithms as [KeyAlgorithm];

  test(`${keeper}: many signatures at once are each of what was asked for, by the key that was asked`, async (context) => {
    const { keys } = await make((end) => context.after(end));
    const signers = [await keys.create('issuer-1', algorithm), await keys.create('issuer-2', algorithm)];
    const { digest } = keyAlgorithms[algorithm];
    const right = await Promise.all(
      Array.from({ length: 64 }, async (_, index) => {
        const signer = signers[index % 2] as (typeof signers)[number];
        const key = createPublicKey({ key: signer.publicKey, format: 'der', type: 'spki' });
        const bytes = Buffer.from(`certificate ${index}`);
        return verify(digest, bytes, key, await signer.sign(bytes));
      }),
    );
    assert.deepEqual([...new Set(right)], [true]);
  });

  test(`${keeper}: a name that is taken keeps its key`, async (context) => {
    const { keys } = await make((end) => context.after(end));
    const { publicKey } = await keys.create('issuer-1', algorithm);
    await assert.rejects(keys.create('issuer-1', algorithm), { code: 'key_unusable' });
    assert.ok((await keys.open('issuer-1')).publicKey.equals(publicKey));
  });

  test(`${keeper}: a key that is not there is said to be missing, and none is made`, async (context) => {
    const { keys, again } = await make((end) => context.after(end));
    await keys.create('issuer-1', algorithm);
    await assert.rejects(keys.open('issuer-2'), { code: 'key_unusable', message: /issuer-2/ });
    await assert.rejects((await again()).open('issuer-2'), { code: 'key_unusable' });
  });
}
