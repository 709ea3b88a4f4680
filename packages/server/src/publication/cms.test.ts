/** What OpenSSL says of a public answer in CMS. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, verify as isSignedBy, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ContentInfo, SignedData, type SignerInfo } from '@peculiar/asn1-cms';
import { AsnConvert } from '@peculiar/asn1-schema';
import { der, PublicAnswer } from '@portcullis/contract';
import { codeOf, PublicFleet } from '../../test/public-fleet.ts';

const present = spawnSync('openssl', ['version']).status === 0;
const skip = !present && process.env.CI !== 'true' && 'needs openssl';

/** `atSeconds`: when OpenSSL looks at it. */
function verify(
  context: TestContext,
  { answer, root, atSeconds }: { answer: Buffer; root: string; atSeconds: number },
) {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-cms-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = (name: string) => join(directory, name);
  writeFileSync(file('answer.p7s'), answer);
  writeFileSync(file('root.pem'), root);
  const words = ['cms', '-verify', '-inform', 'DER', '-in', file('answer.p7s'), '-CAfile', file('root.pem')];
  const { status, stderr } = spawnSync(
    'openssl',
    [...words, '-attime', String(atSeconds), '-out', file('answer.json')],
    {
      encoding: 'utf8',
    },
  );
  return { status, error: stderr, content: status === 0 ? readFileSync(file('answer.json')) : undefined };
}

test('OpenSSL takes it by its one line, and writes what was signed byte for byte', { skip }, async (context) => {
  const fleet = await PublicFleet.make();
  await fleet.put('box-1', {
    attributes: { note: { value: 'Zürich\nfür €5 \r\n', changedAt: '2030-01-01T00:00:00.000Z' } } as never,
  });
  const { body } = fleet.ask(`/v1/public/${codeOf('box-1')}.p7s`);
  const { status, error, content } = verify(context, {
    answer: body,
    root: fleet.certificates.rootPem,
    atSeconds: fleet.clock.now / 1_000,
  });
  assert.equal(status, 0, error);
  const told = PublicAnswer.parse(JSON.parse(content?.toString('utf8') ?? ''));
  assert.deepEqual([told.sub, told.state, told.exp - told.iat], ['box-1', 'on_its_way', 300]);
  const { body: json } = fleet.ask(`/v1/public/${codeOf('box-1')}`);
  assert.deepEqual(told, (JSON.parse(json.toString('utf8')) as { answer: unknown }).answer);
});

test('OpenSSL takes none that was altered, of another root, or by a certificate for anything else', {
  skip,
}, async (context) => {
  const fleet = await PublicFleet.make();
  const other = await PublicFleet.make();
  await fleet.put('box-1');
  const { body: answer } = fleet.ask(`/v1/public/${codeOf('box-1')}.p7s`);
  const atSeconds = fleet.clock.now / 1_000;
  const altered = Buffer.from(answer);
  altered.write('box-2', altered.indexOf('"box-1"') + 1);
  assert.notEqual(verify(context, { answer: altered, root: fleet.certificates.rootPem, atSeconds }).status, 0);
  assert.notEqual(verify(context, { answer, root: other.certificates.rootPem, atSeconds }).status, 0);
  for (const signer of [{ purpose: 'client' }, { purpose: 'server' }] as const) {
    const stolen = await PublicFleet.make(signer);
    await stolen.put('box-1');
    const { body } = stolen.ask(`/v1/public/${codeOf('box-1')}.p7s`);
    const { status, error } = verify(context, { answer: body, root: stolen.certificates.rootPem, atSeconds });
    assert.notEqual(status, 0);
    assert.match(error, /unsuitable certificate purpose|unsupported certificate purpose/);
  }
});

test('a desk with a key of ML-DSA signs its attributes, by the identifiers of RFC 9882', async () => {
  const fleet = await PublicFleet.make({}, 'ml-dsa-65');
  await fleet.put('box-1');
  const { body } = fleet.ask(`/v1/public/${codeOf('box-1')}.p7s`);
  const { content } = AsnConvert.parse(body, ContentInfo);
  const { signerInfos, encapContentInfo } = AsnConvert.parse(content, SignedData);
  const { digestAlgorithm, signatureAlgorithm, signature, signedAttrs = [] } = signerInfos[0] as SignerInfo;
  const said = Buffer.from(encapContentInfo.eContent?.single?.buffer ?? new ArrayBuffer(0));
  assert.equal(PublicAnswer.parse(JSON.parse(said.toString('utf8'))).sub, 'box-1');
  assert.deepEqual([digestAlgorithm.algorithm, digestAlgorithm.parameters], ['2.16.840.1.101.3.4.2.3', undefined]);
  assert.deepEqual(
    [signatureAlgorithm.algorithm, signatureAlgorithm.parameters],
    ['2.16.840.1.101.3.4.3.18', undefined],
  );
  const attributes = signedAttrs.map((one) => Buffer.from(AsnConvert.serialize(one)));
  const digest = createHash('sha512').update(said).digest();
  assert.ok(
    attributes.some((one) => one.includes(digest)),
    'one is the SHA-512 of the content',
  );
  const signed = der.set(...attributes);
  const publicKey = new X509Certificate(fleet.signing.chain[0] as Buffer).publicKey;
  assert.ok(isSignedBy(null, signed, publicKey, Buffer.from(signature.buffer)));
});
