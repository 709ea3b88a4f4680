/** What a label certificate signed is taken for its own shipment, and refused with the reason where it is anything else. */
import assert from 'node:assert/strict';
import { sign, X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { objectIdentifiers } from '@portcullis/contract';
import { makeTestFleet, type Pair, temporaryDirectory, type Wish } from '../../test/certificates.ts';
import { main } from '../main.ts';
import { isLabelStatement, verifyLabelStatement } from './label-statement.ts';

const fleet = makeTestFleet();
const other = makeTestFleet();
const { documentSigning } = objectIdentifiers;
const der = (pem: string) => new X509Certificate(pem).raw.toString('base64');
const labelWith = (wish: Wish) =>
  fleet.deviceIssuer.issue({ uri: 'shipment/load-7', purposes: [documentSigning], ...wish });
const label = labelWith({});
const roots = fleet.root.certificate;
const iat = Math.floor(Date.now() / 1000);

interface Made {
  by?: Pair;
  issuer?: string;
  says?: object;
  header?: object;
  change?: (statement: string) => string;
}

function made({ by = label, issuer = fleet.deviceIssuer.certificate, says, header, change }: Made = {}): string {
  const parts = [
    { alg: 'ES256', typ: 'portcullis-label+jwt', x5c: [der(by.certificate), der(issuer)], ...header },
    { iss: 'plant', sub: 'load-7', iat, sscc: '106141412345678908', ...says },
  ];
  const input = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  const signature = sign('sha256', Buffer.from(input), { key: by.key, dsaEncoding: 'ieee-p1363' });
  const statement = `${input}.${signature.toString('base64url')}`;
  return change ? change(statement) : statement;
}

test('the statement of a label is taken, and says what it was made for', () => {
  assert.ok(isLabelStatement(made()));
  assert.deepEqual(verifyLabelStatement(`${made()}\n`, roots), {
    ...{ iss: 'plant', sub: 'load-7', iat, sscc: '106141412345678908' },
  });
});

const otherSignature = (statement: string) =>
  statement.replace(/^(.*\..*\.)(.)/, (_all, before: string, first: string) => before + (first === '_' ? '-' : '_'));

const bad: [string, Made, RegExp][] = [
  [
    'of another fleet',
    { by: other.deviceIssuer.issue({ uri: 'shipment/load-7', purposes: [documentSigning] }) },
    /not by the issuer/,
  ],
  ['with another chain', { issuer: other.deviceIssuer.certificate }, /not by the issuer/],
  ['of another shipment', { says: { sub: 'load-8' } }, /not the label of "load-8"/],
  ['for another fleet', { says: { iss: 'lane' } }, /not the label of/],
  ['by a device', { by: labelWith({ uri: 'device/load-7' }) }, /not the label of/],
  ['by a certificate that authenticates', { by: labelWith({ purposes: ['clientAuth'] }) }, /not the label of/],
  ['by one that does both', { by: labelWith({ purposes: ['clientAuth', documentSigning] }) }, /not the label of/],
  ['from before its certificate', { says: { iat: iat - 90 * 86_400 } }, /not valid when it was made/],
  ['that was changed', { change: otherSignature }, /not by the key/],
  ['with another algorithm', { header: { alg: 'none' } }, /signed with ES256/],
  ['with something critical', { header: { crit: ['exp'] } }, /signed with ES256/],
  ['with a part too many', { change: (statement) => `${statement}.x` }, /signed with ES256/],
  ['with bytes for a certificate', { header: { x5c: ['AA==', 'AA=='] } }, /without the certificates/],
  ['that says something else', { says: { iat: 'now' } }, /does not fit its schema/],
];
for (const [what, wish, why] of bad) {
  test(`a statement ${what} is refused with the reason`, () => {
    assert.throws(() => verifyLabelStatement(made(wish), roots), { code: 'label_not_verified', message: why });
  });
}

test('the command tells a label from a public answer by itself', async () => {
  const directory = temporaryDirectory();
  const [file, root] = [join(directory, 'label.jws'), join(directory, 'root.pem')];
  writeFileSync(file, made());
  writeFileSync(root, roots);
  const out = new PassThrough({ encoding: 'utf8' });
  const status = await main(['verify', file, '--root', root], out, new PassThrough());
  assert.equal(status, 0);
  assert.match(
    String(out.read()),
    /^load-7 of plant, made .*, sscc 106141412345678908; it says nothing of what became/,
  );
});
