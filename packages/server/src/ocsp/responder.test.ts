/** What OpenSSL reads of answers. Its words count and not its exit status, which says nothing of standing or times. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FleetCertificates } from '../../test/fleet-certificates.ts';
import { OcspFleet, serialOf } from '../../test/ocsp-fleet.ts';
import { certificateId, nonceExtension, question } from '../../test/ocsp-question.ts';
import { fromPem, statusRefusals } from '../pki/pki.ts';

const present = spawnSync('openssl', ['version']).status === 0;
const skip = !present && process.env.CI !== 'true' && 'needs openssl';
const from = '192.0.2.1';

async function opened(context: TestContext) {
  const fleet = await OcspFleet.make();
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-ocsp-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = (name: string) => join(directory, name);
  writeFileSync(file('issuer.pem'), fleet.certificates.issuerPem);
  writeFileSync(file('root.pem'), fleet.certificates.rootPem);
  const openssl = (...words: string[]) => {
    const { stdout, stderr } = spawnSync('openssl', ['ocsp', ...words], { encoding: 'utf8', cwd: directory });
    return `${stdout}${stderr}`;
  };
  /** It makes the question, and reads the answer. */
  const ask = (serials: readonly string[], ...words: string[]) => {
    const about = [...words, '-issuer', 'issuer.pem', ...serials.flatMap((serial) => ['-serial', `0x${serial}`])];
    openssl(...about, '-reqout', 'question.der');
    const answered = fleet.responder.answer(readFileSync(file('question.der')), from);
    writeFileSync(file('answer.der'), answered.body);
    // It would put another nonce into the question before it compares.
    const chain = ['-no_nonce', '-CAfile', 'root.pem', '-verify_other', 'issuer.pem'];
    const text = openssl(...about, '-reqin', 'question.der', '-respin', 'answer.der', ...chain, '-resp_text');
    return { text, ...answered };
  };
  return { fleet, ask };
}

const verified = /Response verify OK/;

test('P9: where the authority lacks what was told before, who was revoked stays so and nobody is good', {
  skip,
}, async (context) => {
  const { fleet, ask } = await opened(context);
  const [cut, other] = [
    await fleet.certificates.leaf({ subject: 'a' }),
    await fleet.certificates.leaf({ subject: 'b' }),
  ];
  fleet.tell(other);
  fleet.tell(cut, 1);
  const said = (...words: string[]) => ask(words, '-no_nonce').text;
  assert.match(said(serialOf(other)), /: good$/m);
  fleet.known.distrust();
  assert.match(said(serialOf(cut)), /Reason: keyCompromise/);
  for (const asked of [[serialOf(other)], [serialOf(cut), serialOf(other)], ['0abc']])
    assert.match(said(...asked), /Responder Error: trylater/);
  fleet.known.brokeOff();
  fleet.begin();
  assert.match(said(serialOf(other)), /Responder Error: trylater/, 'all of it was not told yet');
  fleet.tell(other);
  assert.match(said(serialOf(other)), /: good$/m);
});

test('good, revoked with its reason, suspended, and good again', { skip }, async (context) => {
  const { fleet, ask } = await opened(context);
  const leaf = await fleet.certificates.leaf({ subject: 'truck-17' });
  const serial = serialOf(leaf);
  for (const [reason, words] of [
    [null, /^0x\w+: good$/m],
    [6, /: revoked\n(.*\n)*\s+Reason: certificateHold/],
    [null, /^0x\w+: good$/m],
    [4, /: revoked\n(.*\n)*\s+Reason: superseded/],
    [1, /: revoked\n(.*\n)*\s+Reason: keyCompromise/],
    [0, /: revoked\n/],
  ] as const) {
    fleet.tell(leaf, reason);
    for (const way of [['-no_nonce'], [], ['-sha256', '-no_nonce'], ['-sha256']]) {
      const { text } = ask([serial], ...way);
      assert.match(text, verified);
      assert.match(text, words);
      assert.doesNotMatch(text, /WARNING|Nonce Verify error|Reason: unspecified/);
    }
  }
});

test('a serial number that was never issued is told as revoked, and that this is what is meant', {
  skip,
}, async (context) => {
  const { fleet, ask } = await opened(context);
  fleet.beat();
  const { text, shared } = ask(['4b'.repeat(16)], '-no_nonce');
  assert.match(text, verified);
  assert.match(text, /: revoked\n(.*\n)*\s+Reason: certificateHold\n\s+Revocation Time: Jan {2}1 00:00:00 1970 GMT/);
  // What OpenSSL calls id-pkix-ocsp-extended-revoke.
  assert.match(text, /Response Extensions:\n\s+valid:/);
  assert.equal(shared, false);
});

test('several are answered at once, each for itself', { skip }, async (context) => {
  const { fleet, ask } = await opened(context);
  fleet.tell('4a'.repeat(16));
  fleet.tell('4c'.repeat(16), 1);
  const { text } = ask(['4a', '4b', '4c'].map((byte) => byte.repeat(16)));
  assert.match(text, verified);
  assert.deepEqual(
    [...text.matchAll(/^0x(4.)\w+: (\w+)$/gm)].map(([, byte, status]) => `${byte?.toLowerCase()} ${status}`),
    ['4a good', '4b revoked', '4c revoked'],
  );
});

const serial = Buffer.from('4a'.repeat(16), 'hex');

test('what is asked often is signed once, until it changes or is some minutes old', async () => {
  const fleet = await OcspFleet.make();
  const asked = question([certificateId(fleet.issuerDer, { serial })]);
  const ask = () => fleet.responder.answer(asked, from).body;
  fleet.tell('4a'.repeat(16));
  const first = ask();
  assert.equal(ask(), first);
  fleet.tell('4a'.repeat(16), 6);
  assert.notDeepEqual(ask(), first);
  fleet.tell('4a'.repeat(16));
  const third = ask();
  fleet.pass(299_000);
  fleet.beat();
  assert.equal(ask(), third);
  fleet.pass(1_000);
  assert.notEqual(ask(), third);
  assert.equal(fleet.responder.signed, 4);
  const { good, revoked } = fleet.responder.counts;
  assert.ok(good + revoked > fleet.responder.signed, 'what is kept is counted too');
  const unusual = question([certificateId(fleet.issuerDer, { serial, parameters: false })]);
  assert.ok(
    fleet.responder.answer(unusual, from).body.includes(certificateId(fleet.issuerDer, { serial, parameters: false })),
  );
});

test('a nonce is answered with itself, each time with a signature of its own', async () => {
  const fleet = await OcspFleet.make();
  fleet.tell('4a'.repeat(16));
  for (const length of [1, 16, 128]) {
    const nonce = Buffer.alloc(length, length);
    const asked = question([certificateId(fleet.issuerDer, { serial })], [nonceExtension(nonce)]);
    const { body, shared } = fleet.responder.answer(asked, from);
    assert.ok(body.includes(nonceExtension(nonce)));
    assert.equal(shared, false);
  }
  assert.equal(fleet.responder.signed, 3);
});

test('P5: before the first word of the authority, and too long after the last, nothing is said', async () => {
  const fleet = await OcspFleet.make();
  const asked = question([certificateId(fleet.issuerDer, { serial })]);
  const ask = () => fleet.responder.answer(asked, from);
  assert.equal(ask().body, statusRefusals.tryLater);
  fleet.tell('4a'.repeat(16));
  const heardAt = fleet.clock.now;
  assert.equal(ask().said?.nextUpdate, heardAt + 3_600_000);
  fleet.pass(3_599_000);
  assert.deepEqual([ask().said?.thisUpdate, ask().said?.nextUpdate], [heardAt - 60_000, heardAt + 3_600_000]);
  fleet.pass(1_000);
  assert.equal(ask().body, statusRefusals.tryLater);
  fleet.beat();
  assert.ok(ask().said);
  // It slept: its monotonic clock stood still.
  fleet.clock.now += 3_600_000;
  assert.equal(ask().body, statusRefusals.tryLater);
});

test('P6: what follows a change is in force before it is all there is, and what broke off is not', async () => {
  const fleet = await OcspFleet.make();
  const asked = question([certificateId(fleet.issuerDer, { serial })]);
  const ask = () => fleet.responder.answer(asked, from);
  fleet.tell('4a'.repeat(16));
  const good = ask().body;
  fleet.begin();
  fleet.hear({ type: 'standings', items: [[0, '4a'.repeat(16), 1, fleet.clock.now, fleet.clock.now]] });
  assert.equal(ask().body, good);
  fleet.known.brokeOff();
  assert.equal(ask().body, good);
  fleet.begin();
  fleet.hear({ type: 'standings', items: [[0, '4a'.repeat(16), 1, fleet.clock.now, fleet.clock.now]] });
  fleet.beat();
  assert.notDeepEqual(ask().body, good);
});

test('whose issuer is not ours, or by a hash that is not known, is told nothing', async () => {
  const fleet = await OcspFleet.make();
  fleet.beat();
  const [other] = fromPem('CERTIFICATE', (await FleetCertificates.make()).issuerPem) as [Buffer];
  const both = [fleet.issuerDer, other].map((issuer) => certificateId(issuer, { serial }));
  for (const ids of [both.slice(1), both, both.toReversed()])
    assert.equal(fleet.responder.answer(question(ids), from).body, statusRefusals.unauthorized);
  assert.equal(fleet.responder.answer(Buffer.from('GET / HTTP'), from).body, statusRefusals.malformedRequest);
});

test('P13: one address gets so many signatures and what is kept for nothing, and others are not kept from theirs', async () => {
  const fleet = await OcspFleet.make();
  fleet.tell('4a'.repeat(16));
  const kept = question([certificateId(fleet.issuerDer, { serial })]);
  const own = (byte: number) =>
    question([certificateId(fleet.issuerDer, { serial })], [nonceExtension(Buffer.of(byte))]);
  assert.ok(fleet.responder.answer(kept, from).said);
  let signed = 0;
  while (fleet.responder.answer(own(signed % 256), from).said) signed++;
  assert.equal(signed, 1_999);
  assert.ok(fleet.responder.answer(kept, from).said);
  assert.ok(fleet.responder.answer(own(1), '192.0.2.2').said);
  fleet.pass(1);
  assert.ok(fleet.responder.answer(own(1), from).said);
});
