/** P16: a carrier can withhold a reading, never alter or invent one. Real TLS, a real sink, real signatures. */
import assert from 'node:assert/strict';
import type { Agent } from 'node:https';
import { type TestContext, test } from 'node:test';
import { sealNameOf } from '@portcullis/device/seal';
import { FleetCertificates, type Leaf } from '../../../../test/fleet-certificates.ts';
import { type FrontOptions, OpenFront, sinkWith } from '../../../../test/open-front.ts';
import { carry, reheaded, sealOf } from '../../../../test/sealing.ts';
import { readAll } from '../../../storage/sink/sink.contract.ts';
import type { Sink } from '../../../storage/sink.ts';

interface House {
  gate: OpenFront;
  pump: Leaf;
  /** Of a subject of kind gateway. */
  agent: Agent;
}

async function house(context: TestContext, options: FrontOptions = {}): Promise<House> {
  const gate = await OpenFront.open(context, options);
  const pump = await gate.device('pump-1');
  const carrier = await gate.device('gateway-1', { kind: 'gateway' });
  const agent = gate.agent(carrier);
  context.after(() => agent.destroy());
  return { gate, pump, agent };
}

async function rows(gate: OpenFront) {
  await gate.stored();
  return readAll(gate.sink);
}

for (const form of ['jws', 'cose'] as const) {
  test(`${form}: a reading that is carried is stored as its signer's, with who brought it, and acknowledged by the gate's own signature`, async (context) => {
    const { gate, pump, agent } = await house(context);
    const seal = sealOf(pump, { t: 21.5, _id: 'a' }, { form, seq: 7, run: 'r1' });
    const { status, acknowledgements, verdicts } = await carry(gate, agent, [seal], { form });
    assert.equal(status, 200);
    const [said] = acknowledgements;
    assert.equal(said?.signer, pump.fingerprint);
    assert.equal(said?.gate, 'gate-1');
    assert.deepEqual(verdicts, [
      { seal: sealNameOf(seal), verdict: 'admitted', readings: 1, revision: gate.fed.replica.revision },
    ]);
    const [row] = await rows(gate);
    const { id, subject, certificate, sealed, carriedBy, sequence, run, data } = row ?? {};
    assert.deepEqual(
      { id, subject, certificate, sealed, carriedBy, sequence, run, data },
      {
        id: 'a',
        subject: 'pump-1',
        certificate: pump.fingerprint,
        sealed: true,
        carriedBy: 'gateway-1',
        sequence: 7,
        run: 'r1',
        data: { t: 21.5 },
      },
    );
  });

  test(`${form}: one acknowledgement for each signer, whatever the order`, async (context) => {
    const { gate, pump, agent } = await house(context);
    const valve = await gate.device('valve-1');
    const seals = [1, 2, 3, 4].map((seq) => sealOf(seq % 2 ? pump : valve, { seq }, { form, seq }));
    const { acknowledgements, verdicts } = await carry(gate, agent, seals, { form });
    assert.equal(acknowledgements.length, 2);
    assert.deepEqual(
      verdicts.map((verdict) => verdict?.verdict),
      ['admitted', 'admitted', 'admitted', 'admitted'],
    );
    assert.equal(gate.leavesAsked, 2);
  });
}

test('the seals of one request are stored together', async (context) => {
  const writes: number[] = [];
  const counted = (real: Sink) =>
    sinkWith(real, {
      write(write) {
        writes.push(write.requests.length);
        return real.write(write);
      },
    });
  const { gate, pump, agent } = await house(context, { sink: counted });
  const seals = Array.from({ length: 30 }, (_, index) => sealOf(pump, {}, { seq: index + 1, brings: true }));
  await carry(gate, agent, seals);
  assert.deepEqual(writes, [30]);
});

test('the certificate that comes along is taken where its hash is the thumbprint, and the authority is not asked', async (context) => {
  const { gate, pump, agent } = await house(context);
  const { verdicts } = await carry(gate, agent, [sealOf(pump, {}, { brings: true })]);
  assert.equal(verdicts[0]?.verdict, 'admitted');
  assert.equal(gate.leavesAsked, 0);
});

test('readings without an id are one reading however often the seal is brought, in whatever order', async (context) => {
  const { gate, pump, agent } = await house(context);
  const first = sealOf(pump, [{ n: 1 }, { n: 2 }], { seq: 1 });
  const second = sealOf(pump, [{ n: 3 }], { seq: 3 });
  await carry(gate, agent, [second, first, second]);
  const again = await carry(gate, agent, [first]);
  assert.equal(again.verdicts[0]?.verdict, 'admitted');
  const all = await rows(gate);
  assert.deepEqual(all.map(({ id, sequence }) => [id, sequence]).toSorted(), [
    ['0:1', 1],
    ['0:2', 2],
    ['0:3', 3],
  ]);
});

/** What a carrier does to a seal, and by which name it is caught. */
const tampering: [string, (house: House) => Promise<Buffer> | Buffer, string, string][] = [
  ['alters the payload', ({ pump }) => altered(sealOf(pump, { t: 1 })), 'seal_signature_wrong', 'certificate'],
  [
    'seals with a key of its own in the name of a device',
    ({ gate, pump }) => forged(gate, pump),
    'seal_signature_wrong',
    'certificate',
  ],
  [
    'brings it to another stream',
    ({ pump }) => sealOf(pump, {}, { stream: 'other' }),
    'seal_of_other_stream',
    'certificate',
  ],
  [
    'says that the algorithm is none',
    ({ pump }) => reheaded(sealOf(pump, {}), { alg: 'none' }),
    'seal_algorithm_refused',
    'certificate',
  ],
  [
    'says that the algorithm is a shared key',
    ({ pump }) => reheaded(sealOf(pump, {}), { alg: 'HS256' }),
    'seal_algorithm_refused',
    'certificate',
  ],
  ['says another number', ({ pump }) => reheaded(sealOf(pump, {}), { seq: 9 }), 'seal_signature_wrong', 'certificate'],
  [
    'names a certificate that nobody has',
    ({ pump }) => reheaded(sealOf(pump, {}), { 'x5t#S256': 'A'.repeat(43) }),
    'certificate_unknown',
    'certificate',
  ],
  ['cuts it short', ({ pump }) => sealOf(pump, {}).subarray(0, -20), 'seal_malformed', 'certificate'],
  ['brings a certificate of its own', ({ gate, pump }) => brought(gate, pump), 'seal_signature_wrong', 'certificate'],
  ['brings one of another fleet', () => foreign(), 'certificate_unknown', 'certificate'],
];
for (const [what, make, reason, reasonClass] of tampering) {
  test(`a carrier that ${what}: ${reason}; nothing is stored, and it is its own name that stands with it`, async (context) => {
    const made = await house(context);
    const seal = await make(made);
    const honest = sealOf(made.pump, { honest: true }, { seq: 100 });
    const { verdicts } = await carry(made.gate, made.agent, [seal, honest]);
    const [verdict] = verdicts;
    assert.ok(verdict?.verdict === 'refused', JSON.stringify(verdict));
    assert.deepEqual([verdict.reason, verdict.class], [reason, reasonClass]);
    assert.equal(verdicts[1]?.verdict, 'admitted');
    assert.deepEqual(
      (await rows(made.gate)).map(({ data }) => data),
      [{ honest: true }],
    );
    await made.gate.verdicts.flush();
    const { items } = await made.gate.sink.refusals({ limit: 10 });
    assert.deepEqual(
      items.map(({ subject, reason: why }) => [subject, why]),
      [['gateway-1', reason]],
    );
  });
}

function altered(seal: Buffer): Buffer {
  const [head, , signature] = seal.toString().split('.');
  return Buffer.from(`${head}.${Buffer.from('{"t":2}').toString('base64url')}.${signature}`);
}

async function forged(gate: OpenFront, pump: Leaf): Promise<Buffer> {
  const { key } = await gate.certificates.leaf({ subject: 'pump-1' });
  return sealOf({ ...pump, key }, {});
}

async function brought(gate: OpenFront, pump: Leaf): Promise<Buffer> {
  const own = await gate.certificates.leaf({ subject: 'pump-1' });
  const named = Buffer.from(pump.fingerprint, 'hex').toString('base64url');
  return reheaded(sealOf(own, {}, { brings: true }), { 'x5t#S256': named });
}

async function foreign(): Promise<Buffer> {
  const other = await FleetCertificates.make();
  return sealOf(await other.leaf({ subject: 'pump-1' }), {}, { brings: true });
}
