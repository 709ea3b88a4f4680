import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { PortcullisError, PublicAnswer, PublicReply } from '@portcullis/contract';
import { compactVerify, decodeProtectedHeader, importX509 } from 'jose';
import { codeOf, journey, PublicFleet } from '../../test/public-fleet.ts';

const textOf = ({ body }: { body: Buffer }) => body.toString('utf8');
const thrownBy = (work: () => unknown): string => {
  try {
    work();
    return 'nothing';
  } catch (error) {
    return error instanceof PortcullisError ? error.code : String(error);
  }
};
const answerOf = (fleet: PublicFleet, name: string) =>
  PublicReply.parse(JSON.parse(textOf(fleet.ask(`/v1/public/${codeOf(name)}`)))).answer;

test('P15: an answer is signed by the key of its first certificate, as another library sees it, and says until when it is good', async () => {
  const fleet = await PublicFleet.make();
  await fleet.put('box-1', {
    attributes: { destination: { value: 'berlin', changedAt: '2030-01-01T00:00:00.000Z' } } as never,
  });
  const accept = 'text/html;q=0.1, application/portcullis-public+jwt';
  const { status, headers, body } = fleet.ask(`/v1/public/${codeOf('box-1')}`, { accept });
  assert.deepEqual([status, headers['content-type']], [200, 'application/portcullis-public+jwt']);
  const jws = body.toString('latin1');
  const { x5c = [], typ } = JSON.parse(Buffer.from(jws.split('.')[0] ?? '', 'base64url').toString()) as {
    x5c?: string[];
    typ?: string;
  };
  assert.equal(typ, 'portcullis-public+jwt');
  const [leaf, issuer] = x5c.map((der) => new X509Certificate(Buffer.from(der, 'base64')));
  assert.ok(leaf && issuer && leaf.checkIssued(issuer) && leaf.verify(issuer.publicKey));
  assert.ok(
    new X509Certificate(fleet.certificates.rootPem).publicKey &&
      issuer.verify(new X509Certificate(fleet.certificates.rootPem).publicKey),
  );
  const { payload } = await compactVerify(jws, await importX509(leaf.toString(), 'ES256'));
  const answer = PublicAnswer.parse(JSON.parse(Buffer.from(payload).toString()));
  assert.deepEqual(
    [answer.iss, answer.sub, answer.state, answer.asOf, answer.iat * 1_000, answer.exp - answer.iat],
    ['test-fleet', 'box-1', 'on_its_way', '2030-01-02T12:00:00.000Z', fleet.clock.now, 300],
  );
  assert.deepEqual(Object.keys(answer.attributes), ['destination']);
  const reply = PublicReply.parse(JSON.parse(textOf(fleet.ask(`/v1/public/${codeOf('box-1')}`))));
  assert.deepEqual(reply.answer, answer);
});

for (const [algorithm, alg] of [
  ['ml-dsa-44', 'ML-DSA-44'],
  ['ml-dsa-87', 'ML-DSA-87'],
] as const) {
  test(`P15: a desk with a key of ${alg} signs with it, and another library takes it`, async () => {
    const fleet = await PublicFleet.make({}, algorithm);
    await fleet.put('box-1');
    const { body } = fleet.ask(`/v1/public/${codeOf('box-1')}`, { accept: 'application/portcullis-public+jwt' });
    const jws = body.toString('latin1');
    const { x5c = [] } = decodeProtectedHeader(jws);
    const [leaf, issuer] = x5c.map((der) => new X509Certificate(Buffer.from(der, 'base64')));
    assert.ok(leaf && issuer && leaf.verify(issuer.publicKey));
    const { payload, protectedHeader } = await compactVerify(jws, leaf.publicKey, { algorithms: [alg] });
    assert.equal(protectedHeader.alg, alg);
    assert.equal(PublicAnswer.parse(JSON.parse(Buffer.from(payload).toString())).sub, 'box-1');
  });
}

test('P15: asOf is when the authority last spoke, and exp counts from then with the time that went by since', async () => {
  const fleet = await PublicFleet.make();
  await fleet.put('box-1');
  fleet.clock.ageMs = 120_000;
  const { asOf, iat, exp } = answerOf(fleet, 'box-1');
  assert.deepEqual([asOf, iat, exp - iat], ['2030-01-02T12:00:00.000Z', fleet.clock.now / 1_000 + 120, 300]);
  fleet.clock.ageMs = 3_600_001;
  assert.equal(
    thrownBy(() => answerOf(fleet, 'box-1')),
    'look_ups_stale',
  );
  const page = fleet.ask(`/v/${codeOf('box-1')}`);
  assert.equal(page.status, 503);
  assert.match(textOf(page), /has not heard from the fleet/);
});

test('an answer is made once a minute for each state of its subject, and its tag changes with either', async () => {
  const fleet = await PublicFleet.make();
  const subject = await fleet.put('box-1');
  const path = `/v1/public/${codeOf('box-1')}`;
  const first = fleet.ask(path);
  fleet.clock.ageMs = 20_000;
  fleet.revision++;
  assert.equal(fleet.ask(path).body, first.body, 'the same bytes, kept');
  assert.deepEqual(fleet.ask(path, { ifNoneMatch: `"other", W/${first.headers.etag}` }).status, 304);
  await fleet.put('box-1', { ...subject, certificate: { ...subject.certificate, standing: 'suspended' } as never });
  const cut = fleet.ask(path, { ifNoneMatch: first.headers.etag as string });
  assert.deepEqual([cut.status, answerOf(fleet, 'box-1').state], [200, 'stopped']);
  fleet.clock.ageMs = 60_000;
  const later = fleet.ask(path);
  assert.notEqual(later.headers.etag, cut.headers.etag);
  const tags = [path, `${path}.p7s`, `/v/${codeOf('box-1')}`].map((one) => fleet.ask(one).headers.etag);
  assert.equal(new Set(tags).size, 3);
});

test('what a state is: who is cut is stopped wherever it has come to; without a journey it is known', async () => {
  const fleet = await PublicFleet.make();
  const { certificate } = await fleet.put('box-1');
  const of = async (standing: string, state?: string) => {
    const course = state === undefined ? undefined : { ...journey, state: state as never };
    await fleet.put('box-1', { certificate: { ...certificate, standing } as never, journey: course as never });
    return answerOf(fleet, 'box-1').state;
  };
  assert.equal(await of('valid', 'created'), 'on_its_way');
  assert.equal(await of('superseded', 'moving'), 'on_its_way');
  assert.equal(await of('valid', 'delivered'), 'accepted');
  assert.equal(await of('valid', 'returned'), 'returned');
  assert.equal(await of('valid', 'stopped'), 'stopped');
  assert.equal(await of('valid'), 'known');
  for (const state of ['moving', 'delivered', undefined])
    for (const standing of ['suspended', 'revoked']) assert.equal(await of(standing, state), 'stopped');
});

test('a code is found however it is typed; ten thousand guesses find nothing, and stand in the way of no right one', async () => {
  const fleet = await PublicFleet.make();
  await fleet.put('box-1');
  const code = codeOf('box-1');
  const typed = code
    .toLowerCase()
    .replaceAll('0', 'o')
    .replaceAll('1', 'l')
    .replace(/(.{8})/g, '$1-')
    .replace(/-$/, '');
  assert.equal(fleet.ask(`/v1/public/${typed}`).status, 200);
  const told = new Map<string, number>();
  for (let guess = 0; guess < 10_000; guess++) {
    const why = thrownBy(() => fleet.ask(`/v1/public/${codeOf(`guess ${guess}`)}`));
    told.set(why, (told.get(why) ?? 0) + 1);
  }
  assert.deepEqual(
    [...told],
    [
      ['subject_unknown', 30],
      ['rate_limited', 9_970],
    ],
  );
  assert.equal(fleet.ask(`/v1/public/${code}`).status, 200);
  assert.equal(
    thrownBy(() => fleet.ask(`/v1/public/${codeOf('guess')}`, { from: '192.0.2.2' })),
    'subject_unknown',
  );
  for (const wrong of [
    '/v1/public/',
    '/v1/public/x',
    `/v1/public/${code}/`,
    `/v1/public/${code}0`,
    `/v1/public/${code}.p7b`,
  ])
    assert.equal(
      thrownBy(() => fleet.ask(wrong, { from: '192.0.2.3' })),
      'subject_unknown',
      wrong,
    );
  assert.equal(fleet.ask(`/v/${code}.p7s`, { from: '192.0.2.4' }).status, 404);
});

test('nothing sends a code on, keeps an answer, or has it found by a search', async () => {
  const fleet = await PublicFleet.make();
  await fleet.put('box-1');
  for (const path of [`/v/${codeOf('box-1')}`, `/v/${codeOf('box-2')}`, `/v1/public/${codeOf('box-1')}`]) {
    const { headers } = fleet.ask(path);
    assert.deepEqual([headers['referrer-policy'], headers['x-robots-tag']], ['no-referrer', 'noindex, nofollow']);
    assert.match(headers['cache-control'] ?? '', /no-cache|no-store/);
  }
});
