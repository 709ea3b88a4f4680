/** What a gate says of seals is believed where a gate of the fleet signed it, whoever brings it; all else is refused by name. */
import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { type PortcullisError, SealedAcknowledgement } from '@portcullis/contract';
import { compactVerify } from 'jose';
import { makeTestFleet, type Pair } from '../../test/certificates.ts';
import { type GateSigner, makeAcknowledgement, makeSeal, openAcknowledgement } from '../seal.ts';

const fleet = makeTestFleet();
const other = makeTestFleet();
const now = Date.now();
const day = 86_400_000;
const der = (pem: string) => new X509Certificate(pem).raw;
const signerOf = ({ key, certificate }: Pair, issuer = fleet.infrastructureIssuer.certificate): GateSigner => ({
  key: createPrivateKey(key),
  chain: [der(certificate), der(issuer)],
});
const leafOf = (uri: string, purpose: 'serverAuth' | 'clientAuth', by = fleet.infrastructureIssuer) =>
  by.issue({ uri, purposes: [purpose] });
const gate = leafOf('gate/gate-1', 'serverAuth');
const said = SealedAcknowledgement.parse({
  ...{
    gate: 'gate-1',
    instance: 'abc',
    time: new Date(now).toISOString(),
    stream: 'telemetry',
    signer: 'a'.repeat(64),
  },
  seals: [
    { seal: 'b'.repeat(64), verdict: 'admitted', readings: 2, revision: 7 },
    { seal: 'c'.repeat(64), verdict: 'refused', class: 'certificate', reason: 'not_admitted', title: 'no' },
  ],
});
const trust = { roots: fleet.root.certificate, fleet: 'plant', now, since: now - 1_000 };

for (const form of ['jws', 'cose'] as const) {
  test(`${form}: a gate's own is opened as it was said`, () => {
    const bytes = makeAcknowledgement(form, signerOf(gate), said);
    assert.deepEqual(openAcknowledgement(bytes, form, trust), said);
  });

  test(`${form}: not one byte of it can be another`, () => {
    const bytes = makeAcknowledgement(form, signerOf(gate), said);
    for (let at = 0; at < bytes.length; at += 7) {
      const altered = Buffer.from(bytes);
      altered[at] = (altered[at] as number) ^ 1;
      assert.throws(() => openAcknowledgement(altered, form, trust), notVerified(/./), `byte ${at}`);
    }
  });

  const refused: [string, () => Buffer, RegExp, Partial<typeof trust>?][] = [
    ['one of a device', () => by(leafOf('device/gate-1', 'clientAuth')), /no server's certificate of a gate/],
    ['one of a desk', () => by(leafOf('desk/gate-1', 'serverAuth')), /no server's certificate of a gate/],
    ["one of a gate's client certificate", () => by(leafOf('gate/gate-1', 'clientAuth')), /no server's certificate/],
    ['one of a gate of another name', () => by(leafOf('gate/gate-2', 'serverAuth')), /"gate-2" speaks for "gate-1"/],
    [
      'one of another fleet',
      () => by(leafOf('gate/gate-1', 'serverAuth', other.infrastructureIssuer), other.infrastructureIssuer.certificate),
      /does not end/,
    ],
    [
      'one of another fleet with our issuer',
      () => by(leafOf('gate/gate-1', 'serverAuth', other.infrastructureIssuer)),
      /is not by the issuer/,
    ],
    [
      'one without a chain',
      () => makeAcknowledgement(form, { ...signerOf(gate), chain: [der(gate.certificate)] as never }, said),
      /without the certificates/,
    ],
    [
      'one signed with another key',
      () =>
        makeAcknowledgement(form, { ...signerOf(gate), key: signerOf(leafOf('gate/gate-1', 'serverAuth')).key }, said),
      /not signed by the key/,
    ],
    [
      'one of when the certificate was over',
      () => by(gate, undefined, { time: new Date(now + 40 * day).toISOString() }),
      /not valid then/,
      { now: now + 40 * day },
    ],
    ['one that is to come', () => by(gate, undefined, { time: new Date(now + 400_000).toISOString() }), /to come/],
    ['one older than the seals', () => by(gate), /older than the seals/, { since: now + 400_000 }],
    ['one that says nothing', () => by(gate, undefined, { seals: [] }), /schema/],
    [
      'a seal of the gate',
      () =>
        makeSeal(
          form,
          { key: signerOf(gate).key, certificate: der(gate.certificate), brings: true },
          { stream: said.stream, run: '0', seq: 1, time: now, payload: Buffer.from(JSON.stringify(said)) },
        ),
      /another purpose/,
    ],
    ['nothing', () => Buffer.alloc(0), /./],
  ];
  const by = (pair: Pair, issuer?: string, says: object = {}) =>
    makeAcknowledgement(form, signerOf(pair, issuer), { ...said, ...says });
  for (const [what, make, why, changes] of refused) {
    test(`${form}: ${what} is refused`, () => {
      assert.throws(() => openAcknowledgement(make(), form, { ...trust, ...changes }), notVerified(why));
    });
  }
}

const notVerified = (why: RegExp) => (error: PortcullisError) =>
  error.code === 'acknowledgement_not_verified' && why.test(error.message);

test('jose takes the one in the form of a JWS', async () => {
  const bytes = makeAcknowledgement('jws', signerOf(gate), said);
  const { payload } = await compactVerify(bytes, new X509Certificate(gate.certificate).publicKey);
  assert.deepEqual(JSON.parse(Buffer.from(payload).toString()), said);
});
