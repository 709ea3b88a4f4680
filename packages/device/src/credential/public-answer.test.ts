/** A public answer that was kept is taken where a desk of the fleet signed it for this, and refused with the reason where not. */
import assert from 'node:assert/strict';
import { createHash, sign, X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { objectIdentifiers, type PortcullisError } from '@portcullis/contract';
import { makeTestFleet, type Pair, temporaryDirectory, type Wish } from '../../test/certificates.ts';
import { main } from '../main.ts';
import { verifyPublicAnswer } from './public-answer.ts';

const fleet = makeTestFleet();
const other = makeTestFleet();
const { documentSigning } = objectIdentifiers;
const now = Date.now();
const seconds = Math.floor(now / 1_000);
const iso = (at: number) => new Date(at).toISOString();
const der = (pem: string) => new X509Certificate(pem).raw.toString('base64');
const deskWith = (wish: Wish, by = fleet.infrastructureIssuer) =>
  by.issue({ uri: 'desk/desk-1', purposes: [documentSigning], ...wish });
const desk = deskWith({});
const box = fleet.deviceIssuer.issue({ uri: 'shipment/box-1', purposes: ['clientAuth'] });
const foreignBox = other.deviceIssuer.issue({ uri: 'shipment/box-1', purposes: ['clientAuth'] });

const certificateOf = (pem: string, issuer: string) => ({
  fingerprint: createHash('sha256').update(new X509Certificate(pem).raw).digest('hex'),
  ...{ standing: 'valid', notBefore: iso(now), notAfter: iso(now + 86_400_000), chain: [der(pem), der(issuer)] },
});
const answer = {
  ...{ iss: 'plant', sub: 'box-1', iat: seconds, exp: seconds + 300, kind: 'shipment', state: 'on_its_way' },
  ...{ asOf: iso(now), revision: 7, attributes: {}, journey: null },
  certificate: certificateOf(box.certificate, fleet.deviceIssuer.certificate),
};

interface Made {
  by?: Pair;
  issuer?: string;
  says?: object;
  header?: object;
  /** Signed in the form of DER, as JWS is not. */
  encoding?: 'der' | 'ieee-p1363';
}

function made({
  by = desk,
  issuer = fleet.infrastructureIssuer.certificate,
  says,
  header,
  encoding = 'ieee-p1363',
}: Made = {}): string {
  const x5c = [der(by.certificate), der(issuer)];
  const parts = [
    { alg: 'ES256', typ: 'portcullis-public+jwt', x5c, ...header },
    { ...answer, ...says },
  ];
  const input = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${input}.${sign('sha256', Buffer.from(input), { key: by.key, dsaEncoding: encoding }).toString('base64url')}`;
}

const trust = { roots: fleet.root.certificate, now, kept: false };

test('what a desk signed is taken, alone and in the JSON that it came with', () => {
  const jws = made();
  for (const text of [jws, `${jws}\n`, JSON.stringify({ answer: { sub: 'another' }, jws })]) {
    const { answer: told, signer, current } = verifyPublicAnswer(text, trust);
    assert.deepEqual([told.sub, told.state, signer, current], ['box-1', 'on_its_way', 'desk-1', true]);
  }
});

test('what is not good any more is refused, and taken as what it said then where that is asked', () => {
  const later = { ...trust, now: now + 400_000 };
  assert.throws(() => verifyPublicAnswer(made(), later), /it was good until .*--kept/);
  assert.equal(verifyPublicAnswer(made(), { ...later, kept: true }).current, false);
});

const [head, body, signature] = made().split('.');
const flipped = (part = '') => `${part.slice(0, -3)}${part.at(-3) === 'A' ? 'B' : 'A'}${part.slice(-2)}`;
const signedBy = (wish: Wish, by = fleet.infrastructureIssuer): Made => ({
  by: deskWith(wish, by),
  issuer: by.certificate,
});

const refused: [string, string, RegExp][] = [
  ['another payload', `${head}.${flipped(body)}.${signature}`, /signature is not by the key/],
  ['another signature', `${head}.${body}.${flipped(signature)}`, /signature is not by the key/],
  ['a signature in DER', made({ encoding: 'der' }), /signature is not by the key/],
  ['no signature', `${head}.${body}.`, /signature is not by the key/],
  ['a fourth part', `${head}.${body}.${signature}.`, /not a public answer/],
  ['the algorithm none', made({ header: { alg: 'none' } }), /not a public answer/],
  ['another type', made({ header: { typ: 'portcullis-label+jwt' } }), /not a public answer/],
  ['something critical', made({ header: { crit: ['exp'] } }), /not a public answer/],
  ['no certificate', made({ header: { x5c: [] } }), /not a public answer/],
  ['certificates that are none', made({ header: { x5c: ['AAAA', 'AAAA'] } }), /without the certificates/],
  ['JSON without it', '{"answer":{}}', /no member "jws"/],
  ['nothing', '', /not a public answer/],
  ['too much', 'x'.repeat(3_000_000), /more than/],
  ['a shipment that signs for itself', made(signedBy({ uri: 'shipment/box-1' })), /no desk's certificate/],
  ['a gate', made(signedBy({ uri: 'gate/gate-1' })), /no desk's certificate/],
  ['a desk by the certificate of its listener', made(signedBy({ purposes: ['serverAuth'] })), /no desk's certificate/],
  [
    'a desk of another root',
    made(signedBy({}, other.infrastructureIssuer)),
    /does not end at one of the fleet's roots/,
  ],
  ['a desk of another fleet', made({ says: { iss: 'plants' } }), /speaks for "plants"/],
  ['a signer by a leaf', made({ ...signedBy({}), issuer: box.certificate }), /not by the issuer/],
  ['a signer whose time is over', made(signedBy({ from: -3, until: -1 })), /was not valid then/],
  ['what is still to come', made({ says: { iat: seconds + 900, exp: seconds + 1_200 } }), /still to come/],
  ['a state that there is not', made({ says: { state: 'fine' } }), /does not fit its schema/],
  [
    'a certificate of another fingerprint',
    made({ says: { certificate: { ...answer.certificate, fingerprint: '0'.repeat(64) } } }),
    /not the one that it names/,
  ],
  [
    'a certificate of another root',
    made({ says: { certificate: certificateOf(foreignBox.certificate, other.deviceIssuer.certificate) } }),
    /the certificate in it has a chain that does not end/,
  ],
];

for (const [what, text, why] of refused) {
  test(`refused: ${what}`, () => {
    assert.throws(
      () => verifyPublicAnswer(text, trust),
      (error: PortcullisError) => error.code === 'public_answer_not_verified' && why.test(error.message),
    );
  });
}

test('the command says what it found, in words and as JSON, and needs the root', async () => {
  const directory = temporaryDirectory();
  const file = (name: string, text: string) => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const [root, kept, bad] = [
    file('root.pem', trust.roots),
    file('a.json', JSON.stringify({ jws: made() })),
    file('bad', 'x'),
  ];
  const run = async (...words: string[]) => {
    const [out, side] = [new PassThrough({ encoding: 'utf8' }), new PassThrough({ encoding: 'utf8' })];
    const status = await main(['verify', ...words], out, side);
    return { status, out: String(out.read() ?? ''), side: String(side.read() ?? '') };
  };
  const good = await run(kept, '--root', root);
  assert.deepEqual([good.status, good.side], [0, '']);
  assert.match(good.out, /^box-1 of plant: on_its_way as of .*, its certificate: valid; signed by desk-1, good until /);
  const told = JSON.parse((await run(kept, '--root', root, '--json')).out) as { state: string; current: boolean };
  assert.deepEqual([told.state, told.current], ['on_its_way', true]);
  assert.deepEqual([(await run(kept)).status, (await run(kept, '--root', kept)).status], [2, 2]);
  assert.deepEqual([(await run('/nowhere', '--root', root)).status, (await run()).status], [2, 2]);
  const not = await run(bad, '--root', root);
  assert.equal(not.status, 1);
  assert.match(not.side, /public_answer_not_verified/);
});
