import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { PortcullisError } from '@portcullis/contract';
import { FedReplica, groundOn } from '../../../../test/fed-replica.ts';
import { day, FleetCertificates, type Leaf } from '../../../../test/fleet-certificates.ts';
import type { StreamConfig } from '../../policy/policy.ts';
import { Advice } from './advice.ts';
import { Decisions } from './decisions.ts';
import { shownCertificate } from './shown-certificate.ts';

let [ours, theirs]: FleetCertificates[] = [];
let leaf: Leaf;
const pemOf = ({ cert }: Leaf) => `${cert.split('-----END CERTIFICATE-----')[0]}-----END CERTIFICATE-----\n`;
const derOf = (one: Leaf) => pemOf(one).replace(/-----[^-]+-----|\s/g, '');

before(async () => {
  [ours, theirs] = [await FleetCertificates.make(), await FleetCertificates.make('other-fleet')];
  leaf = await ours.leaf({ subject: 'truck-17' });
});

function open(streams: Record<string, Partial<StreamConfig>> = { telemetry: { expect: { status: 'active' } } }) {
  const fed = new FedReplica();
  fed.change([{ subject: 'truck-17', attributes: { status: { value: 'active' } }, certificates: [leaf] }]);
  const ground = groundOn(fed, streams);
  const advice = new Advice(() => 0);
  const decisions = new Decisions({ ground, advice, trust: (ours as FleetCertificates).trust });
  const reasonOf = (shown: string, stream = 'telemetry') => {
    const answer = decisions.decide(shown, stream);
    return answer.verdict === 'admitted' ? 'admitted' : answer.reason;
  };
  return { fed, decisions, advice, reasonOf };
}

test('a certificate is taken in each form in which proxies forward it', () => {
  const { reasonOf, advice } = open();
  const forms = [
    pemOf(leaf),
    pemOf(leaf).trimEnd(),
    encodeURIComponent(pemOf(leaf)),
    pemOf(leaf).replaceAll('\n', '\n\t'),
    derOf(leaf),
    `:${derOf(leaf)}:`,
  ];
  for (const form of forms) assert.equal(reasonOf(form), 'admitted', form);
  assert.deepEqual(advice.counters, { admitted: forms.length, refused: 0 });
});

test('H1: a fingerprint, a name, a chain, half of a certificate and one with something behind it are no certificate', () => {
  const der = Buffer.from(derOf(leaf), 'base64');
  const shown = [
    leaf.fingerprint,
    'CN=truck-17',
    leaf.cert,
    derOf(leaf).slice(0, 400),
    Buffer.concat([der, Buffer.from([0])]).toString('base64'),
    `:${derOf(leaf)}`,
    `${derOf(leaf)}, ${derOf(leaf)}`,
    `%${pemOf(leaf)}`,
    'A'.repeat(20_000),
    ' ',
  ];
  const malformed = (error: unknown) => error instanceof PortcullisError && error.code === 'request_malformed';
  for (const text of shown) assert.throws(() => shownCertificate(text), malformed, text.slice(0, 80));
});

test('H2: an empty header is a peer without a certificate', () => {
  const { reasonOf } = open();
  assert.deepEqual(
    ['', '-'].map((shown) => reasonOf(shown)),
    ['certificate_missing', 'certificate_missing'],
  );
});

test('each step of the gate itself refuses here too, with its code', async () => {
  const { fed, reasonOf } = open();
  const shown = derOf(leaf);
  assert.equal(reasonOf(shown, 'nowhere'), 'stream_unknown');
  fed.change([{ subject: 'truck-17', attributes: { status: { value: 'off' } } }]);
  assert.equal(reasonOf(shown), 'attribute_not_expected');
  fed.change([{ subject: 'truck-17', attributes: { status: { value: 'active' } } }]);
  assert.equal(reasonOf(shown), 'admitted');
  for (const standing of ['suspended', 'revoked'] as const) {
    fed.change([{ subject: 'truck-17', certificates: [{ ...leaf, standing }] }]);
    assert.equal(reasonOf(shown), `certificate_${standing}`);
  }
  const unknown = await (ours as FleetCertificates).leaf({ subject: 'truck-18' });
  assert.equal(reasonOf(derOf(unknown)), 'certificate_unknown');
  fed.clock.now += 60_000;
  assert.equal(reasonOf(derOf(unknown)), 'replica_stale', 'without a lease nothing is decided');
});

test('what TLS would have refused is refused: a foreign chain, a certificate of a server, one that has expired', async () => {
  const { fed, reasonOf } = open();
  const foreign = await (theirs as FleetCertificates).leaf({ subject: 'truck-17' });
  const server = await (ours as FleetCertificates).leaf({ subject: 'truck-17', purpose: 'server' });
  const expired = await (ours as FleetCertificates).leaf({ subject: 'truck-17', notAfter: Date.now() - day });
  fed.change([{ subject: 'truck-17', certificates: [foreign, server, expired] }]);
  const reasons = [foreign, server, expired].map((one) => reasonOf(derOf(one)));
  assert.deepEqual(reasons, ['handshake_refused', 'handshake_refused', 'certificate_expired']);
});

test('who trusts others after a renewal trusts no longer what chained to those of before', () => {
  const { decisions, reasonOf } = open();
  assert.equal(reasonOf(derOf(leaf)), 'admitted');
  decisions.trust((theirs as FleetCertificates).trust);
  assert.equal(reasonOf(derOf(leaf)), 'handshake_refused');
});

test('a stream that looks at the reading is not decidable, unless its file says that admission is enough', () => {
  const { fed, reasonOf, advice } = open({
    subject: { when: 'attributes.status == "active"' },
    condition: { when: 'reading.t < 8.0' },
    schema: { schema: { required: ['t'] } },
    enough: { when: 'reading.t < 8.0 && attributes.status == "active"', schema: true, decide: 'admission-only' },
  });
  const reasons = () => ['subject', 'condition', 'schema', 'enough'].map((name) => reasonOf(derOf(leaf), name));
  assert.deepEqual(reasons(), ['admitted', 'not_decidable', 'not_decidable', 'admitted']);
  assert.deepEqual([...advice.refusals], [['not_decidable', 2]]);
  fed.change([{ subject: 'truck-17', certificates: [{ ...leaf, standing: 'revoked' }] }]);
  assert.deepEqual(new Set(reasons()), new Set(['certificate_revoked']));
});
