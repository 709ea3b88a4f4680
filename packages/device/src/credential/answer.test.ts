/** Whoever carries answers, a desk or who took one over, can withhold them and change nothing of them. */
import assert from 'node:assert/strict';
import { sign } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { answerBytes, type SignedAnswer } from '@portcullis/contract';
import { makeTestFleet, type Pair, TestAuthority, temporaryDirectory, type Wish } from '../../test/certificates.ts';
import { startEnrolment } from '../../test/enrolment.ts';
import { credentialFileIn, readCredential } from './credential.ts';
import { enrol } from './enrol.ts';
import { confirm, findGates, renew } from './renew.ts';

const fleet = makeTestFleet();
const authority = await startEnrolment(fleet);
const other = makeTestFleet();
const enrolInto = (directory: string) => enrol({ token: authority.token, directory });
const newDirectory = () => join(temporaryDirectory(), 'device');

type Meddle = (answer: SignedAnswer) => unknown;
const payloadOf = ({ payload }: SignedAnswer) => JSON.parse(Buffer.from(payload, 'base64').toString()) as object;
const packed = (told: object) => Buffer.from(JSON.stringify(told));

/** The same answer with other members, signed by whoever the attacker can be. */
const resigned = (told: (answer: SignedAnswer) => object, by: Pair, issuer: string): Meddle => {
  return (answer) => {
    const payload = packed(told(answer));
    const signature = sign('sha256', answerBytes(payload), by.key).toString('base64');
    return { payload: payload.toString('base64'), signature, signer: by.certificate, signerIssuer: issuer };
  };
};
const swapped =
  (members: object): Meddle =>
  (answer) => ({ ...answer, payload: packed({ ...payloadOf(answer), ...members }).toString('base64') });
const signerWith = (wish: Wish, by: TestAuthority = fleet.infrastructureIssuer) =>
  resigned(payloadOf, by.issue({ uri: 'authority/authority', purposes: ['serverAuth'], ...wish }), by.certificate);

const mine = fleet.deviceIssuer.issue({ uri: 'device/truck-17', purposes: ['clientAuth'] });
const foreignIssuer = new TestAuthority('a device that would be an issuer');
const meddlings: [string, Meddle, RegExp][] = [
  ['another leaf', swapped({ certificate: mine.certificate }), /signature is not by the key/],
  ['another trust bundle', swapped({ roots: other.root.certificate }), /signature is not by the key/],
  ['other gates', swapped({ gates: ['https://localhost:1'] }), /signature is not by the key/],
  ['another place to renew', swapped({ enrolment: 'https://localhost:1' }), /signature is not by the key/],
  ['another time to renew', swapped({ renewAfter: '2199-01-01T00:00:00.000Z' }), /signature is not by the key/],
  [
    'a payload that is no answer',
    resigned(() => [], mine, fleet.deviceIssuer.certificate),
    /not the fleet's authority/,
  ],
  ['the signature of the desk itself', signerWith({ uri: 'desk/desk-1' }), /not the fleet's authority/],
  ['the signature of a gate', signerWith({ uri: 'gate/gate-1' }), /not the fleet's authority/],
  [
    'the authority of another fleet',
    signerWith({}, other.infrastructureIssuer),
    /does not end at one of the fleet's roots/,
  ],
  ['a signer whose time is over', signerWith({ from: -3, until: -2 }), /not valid now/],
  ['a signer whose time has not come', signerWith({ from: 2, until: 3 }), /not valid now/],
  ['a signer that its issuer did not sign', signerWith({}, foreignIssuer), /does not end at one of/],
  ['an issuer that is a device', resigned(payloadOf, mine, mine.certificate), /not the fleet's authority/],
  ['no certificates', (answer) => ({ ...answer, signer: 'none' }), /without the certificates of a signer/],
];

for (const [what, meddle, words] of meddlings) {
  test(`an answer with ${what} is refused by name, and the device keeps what it had`, async () => {
    const directory = newDirectory();
    authority.wishes.meddle = meddle;
    await assert.rejects(enrolInto(directory), { code: 'answer_not_verified', message: words });
    assert.equal(existsSync(credentialFileIn(directory)), false);
    authority.wishes.meddle = (answer) => answer;
    const credential = await enrolInto(directory);
    authority.wishes.meddle = meddle;
    for (const ask of [
      renew,
      findGates,
      () => confirm({ credential: { ...credential, unconfirmed: true }, directory }),
    ]) {
      await assert.rejects(ask({ credential, directory }), { code: 'answer_not_verified', message: words });
    }
    authority.wishes.meddle = (answer) => answer;
    assert.deepEqual(readCredential(credentialFileIn(directory)), credential);
  });
}

test('a plain answer, as the first release has it, is not taken', async () => {
  authority.wishes.meddle = payloadOf;
  await assert.rejects(enrolInto(newDirectory()), { code: 'answer_malformed', message: /a signed answer is expected/ });
  authority.wishes.meddle = (answer) => answer;
});

test("an older answer of the authority's own is not one to what is asked now, nor one to another question", async () => {
  const directory = newDirectory();
  const kept: SignedAnswer[] = [];
  const keep: Meddle = (answer) => {
    kept.push(answer);
    return answer;
  };
  const replay =
    (index: number): Meddle =>
    () =>
      kept[index];
  authority.wishes.meddle = keep;
  const credential = await enrolInto(directory);
  authority.wishes.gates = ['https://old.example:8443'];
  await findGates({ credential, directory });
  authority.wishes.gates = [];
  const asked = { credential, directory };
  const differs = (member: string) => ({ code: 'answer_not_verified', message: new RegExp(`its ${member} differs`) });
  authority.wishes.meddle = replay(1);
  await assert.rejects(findGates(asked), differs('challenge'));
  await assert.rejects(renew(asked), differs('purpose'));
  authority.wishes.meddle = replay(0);
  await assert.rejects(enrolInto(newDirectory()), differs('challenge'));
  authority.wishes.meddle = (answer) => answer;
});

test('P1: the secret of a token is in nothing that a device sends', async () => {
  await enrolInto(newDirectory());
  const { secret } = JSON.parse(Buffer.from(authority.token, 'base64url').toString()) as { secret: string };
  const sent = authority.server.requests.map(({ body }) => body).join('');
  const bytes = Buffer.from(secret, 'base64url');
  for (const text of [secret, bytes.toString('hex'), bytes.toString('base64')])
    assert.equal(sent.includes(text), false);
});
