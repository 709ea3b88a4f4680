/** Whoever carries and whoever sealed are judged by the same steps, each time something changes: cutting either ends what is brought. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import type { Agent } from 'node:https';
import { type TestContext, test } from 'node:test';
import { PortcullisError } from '@portcullis/contract';
import type { Leaf } from '../../../../test/fleet-certificates.ts';
import { type FrontOptions, OpenFront, until } from '../../../../test/open-front.ts';
import { type CarriedBack, carry, sealOf } from '../../../../test/sealing.ts';
import type { Sink } from '../../../storage/sink.ts';

interface House {
  gate: OpenFront;
  pump: Leaf;
  carrier: Leaf;
  agents: Agent[];
}

async function house(context: TestContext, options: FrontOptions = {}): Promise<House> {
  const gate = await OpenFront.open(context, options);
  const pump = await gate.device('pump-1');
  const carrier = await gate.device('gateway-1', { kind: 'gateway' });
  const agents = [gate.agent(carrier), gate.agent(carrier)];
  context.after(() => {
    for (const agent of agents) agent.destroy();
  });
  return { gate, pump, carrier, agents };
}

/** The first write stands still until it is let go. */
function held() {
  const { promise, resolve: letGo } = Promise.withResolvers<void>();
  let writes = 0;
  const sink = (real: Sink): Sink =>
    new Proxy(real, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (name === 'write')
          return async (...parameters: Parameters<Sink['write']>) => {
            if (writes++ === 0) await promise;
            return target.write(...parameters);
          };
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  return { sink, letGo, hasBegun: () => writes > 0 };
}

async function refusedWith({ verdicts: [verdict] }: CarriedBack, reason: string, reasonClass: string): Promise<void> {
  assert.ok(verdict?.verdict === 'refused', JSON.stringify(verdict));
  assert.deepEqual([verdict.reason, verdict.class], [reason, reasonClass]);
}

/** One seal is being stored and a second one waits; then `change`. */
async function whileOneWaits(context: TestContext, change: (house: House) => void) {
  const { sink, letGo, hasBegun } = held();
  const made = await house(context, { sink });
  const { gate, pump, agents } = made;
  const [one, two] = agents as [Agent, Agent];
  const first = carry(gate, one, [sealOf(pump, { n: 1 }, { seq: 1 })]);
  await until(hasBegun, 'the first is being stored');
  let submitted = 0;
  const submit = gate.recording.submit.bind(gate.recording);
  gate.recording.submit = (entry) => {
    submit(entry);
    submitted++;
  };
  const second = carry(gate, two, [sealOf(pump, { n: 2 }, { seq: 2 })]);
  await until(() => submitted === 1, 'the second waits');
  change(made);
  letGo();
  return { gate, first: await first, second: await second };
}

test('a signer that is cut while its seal waits: its reading is refused, signed; what was being stored stays', async (context) => {
  const { gate, second } = await whileOneWaits(context, ({ gate: at }) =>
    at.change({ subject: 'pump-1', attributes: { status: { value: 'cut', public: true } } }),
  );
  await refusedWith(second, 'attribute_not_expected', 'certificate');
  assert.deepEqual(await gate.stored(), [{ n: 1 }]);
});

/** The first seal of a request is stored, and the second one waits for the key of its signer; then `change`. */
async function whileAnotherWaits(context: TestContext, change: (gate: OpenFront, signer: Leaf) => void) {
  const { gate, pump, agents } = await house(context);
  const valve = await gate.device('valve-1');
  const leaf = Promise.withResolvers<Buffer>();
  gate.leafOf = () => leaf.promise;
  const seals = [sealOf(pump, { n: 1 }, { brings: true }), sealOf(valve, { n: 2 })];
  const carried = carry(gate, agents[0] as Agent, seals);
  await until(async () => (await gate.stored()).length === 1, 'the first is stored');
  change(gate, pump);
  if (gate.lease.holds()) leaf.resolve(new X509Certificate(valve.cert).raw);
  else leaf.reject(new PortcullisError('server_unreachable', 'the authority does not answer'));
  return await carried;
}

test('P7: a signer that is cut while another seal of the request is waited for is not told that its own is stored', async (context) => {
  const answer = await whileAnotherWaits(context, (gate, pump) =>
    gate.change({ subject: 'pump-1', certificates: [{ ...pump, standing: 'revoked' }] }),
  );
  await refusedWith(answer, 'not_admitted', 'certificate');
  assert.equal(answer.verdicts[1]?.verdict, 'admitted');
});

test('P7: a lease that ends meanwhile too, for the signer may be cut', async (context) => {
  await refusedWith(await whileAnotherWaits(context, ({ lease }) => lease.end()), 'replica_stale', 'gate');
});

test('a carrier that is cut while it carries: nothing more of what it brought is stored, and nothing is said of the seal', async (context) => {
  const { gate, second } = await whileOneWaits(context, ({ gate: at, carrier }) =>
    at.change({ subject: 'gateway-1', kind: 'gateway', certificates: [{ ...carrier, standing: 'revoked' }] }),
  );
  assert.deepEqual([second.status, second.problem.reason, second.acknowledgements], [403, 'not_admitted', []]);
  assert.deepEqual(await gate.stored(), [{ n: 1 }]);
  await until(() => gate.connections.size === 0, 'its connections are closed');
});

test('a signer that is suspended learns nothing but that it is not admitted, and is back with a resume', async (context) => {
  const { gate, pump, agents } = await house(context);
  const agent = agents[0] as Agent;
  gate.change({ subject: 'pump-1', certificates: [{ ...pump, standing: 'suspended' }] });
  await refusedWith(await carry(gate, agent, [sealOf(pump, {})]), 'not_admitted', 'certificate');
  gate.change({ subject: 'pump-1', certificates: [{ ...pump, standing: 'valid' }] });
  const { verdicts } = await carry(gate, agent, [sealOf(pump, {})]);
  assert.equal(verdicts[0]?.verdict, 'admitted');
});

test('after a renewal the same reading is sealed anew, and is stored once', async (context) => {
  const { gate, pump, agents } = await house(context);
  const agent = agents[0] as Agent;
  const reading = { t: 1, _id: 'a', _time: '2026-11-28T12:00:00Z' };
  await carry(gate, agent, [sealOf(pump, reading)]);
  const renewed = await gate.device('pump-1', { certificates: [{ ...pump, standing: 'superseded' }] });
  gate.change({ subject: 'pump-1', certificates: [{ ...pump, standing: 'superseded' }, renewed] });
  await refusedWith(await carry(gate, agent, [sealOf(pump, reading)]), 'certificate_superseded', 'certificate');
  const { verdicts } = await carry(gate, agent, [sealOf(renewed, reading)]);
  assert.equal(verdicts[0]?.verdict, 'admitted');
  assert.deepEqual(await gate.stored(), [{ t: 1 }]);
  assert.deepEqual(gate.used, [], 'nobody used it in a handshake');
});

test('who may not carry is answered so, whatever it brings', async (context) => {
  const { gate, pump } = await house(context);
  const agent = gate.agent(pump);
  for (const seal of [sealOf(pump, {}), Buffer.from('no seal')]) {
    const { status, problem } = await carry(gate, agent, [seal]);
    assert.deepEqual([status, problem.reason], [403, 'kind_not_admitted']);
  }
  agent.destroy();
});

test('what a carrier must be is an expectation like any other, at once', async (context) => {
  const { gate, pump, agents } = await house(context, {
    carry: { kinds: ['gateway', 'device'], expect: { carries: true } },
  });
  const agent = agents[0] as Agent;
  const before = await carry(gate, agent, [sealOf(pump, {})]);
  assert.deepEqual([before.status, before.problem.reason], [403, 'attribute_missing']);
  gate.change({ subject: 'gateway-1', kind: 'gateway', attributes: { carries: { value: true } } });
  const { verdicts } = await carry(gate, agents[1] as Agent, [sealOf(pump, {})]);
  assert.equal(verdicts[0]?.verdict, 'admitted');
});

test('P6: whoever sends to no stream keeps its connection while it may carry, and no longer', async (context) => {
  const { gate, pump, agents } = await house(context, { carry: { kinds: ['gateway'], expect: { carries: true } } });
  const set = (carries: boolean, floor: number) => {
    const attributes = { carries: { value: carries }, floor: { value: floor } };
    gate.change({ subject: 'gateway-1', kind: 'gateway', attributes });
  };
  set(true, 1);
  await carry(gate, agents[0] as Agent, [sealOf(pump, {})]);
  set(true, 2);
  const { verdicts } = await carry(gate, agents[0] as Agent, [sealOf(pump, {}, { seq: 2 })]);
  assert.equal(verdicts[0]?.verdict, 'admitted');
  assert.deepEqual([gate.connections.size, gate.connections.closed], [1, 0]);
  set(false, 2);
  await until(() => gate.connections.size === 0, 'its connection is closed');
});

test('without a lease nobody carries', async (context) => {
  const { gate, pump, agents } = await house(context);
  gate.lease.end();
  const { status, problem } = await carry(gate, agents[0] as Agent, [sealOf(pump, {})]);
  assert.deepEqual([status, problem.reason], [503, 'replica_stale']);
});

test('a signer whose certificate can not be had waits; the authority is not asked again for a while', async (context) => {
  const { gate, pump, agents } = await house(context);
  gate.leaves.clear();
  const seals = [1, 2, 3].map((seq) => sealOf(pump, {}, { seq }));
  const agent = agents[0] as Agent;
  await refusedWith(await carry(gate, agent, seals), 'signer_unavailable', 'gate');
  await refusedWith(await carry(gate, agent, seals), 'signer_unavailable', 'gate');
  assert.equal(gate.leavesAsked, 1);
});

test('a seal older than what is kept is refused: its repeat could not be told', async (context) => {
  const { gate, pump, agents } = await house(context, { retainDays: 1 });
  const agent = agents[0] as Agent;
  const old = Date.now() - 2 * 86_400_000;
  await refusedWith(await carry(gate, agent, [sealOf(pump, {}, { time: old })]), 'reading_past_retention', 'gate');
  const { verdicts } = await carry(gate, agent, [sealOf(pump, { _clock: 'unsynchronized' }, { time: old })]);
  assert.equal(verdicts[0]?.verdict, 'admitted');
});

test('what is wrong with a reading is said of it, and of no other seal', async (context) => {
  const { gate, pump, agents } = await house(context);
  const bad = [
    '',
    '{"a":1',
    '{"a":1}\n{"a":1,"a":2}',
    '{"_ip":1}',
    '{"_sequence":7}',
    '{"_run":"x","_sequence":1}',
    '[]',
  ];
  const seals = bad.map((payload) => sealOf(pump, payload));
  const { verdicts } = await carry(gate, agents[0] as Agent, [...seals, sealOf(pump, { fine: true }, { seq: 50 })]);
  const told = verdicts.map((verdict) =>
    verdict?.verdict === 'refused' ? [verdict.reason, verdict.line] : 'admitted',
  );
  const malformed = 'reading_malformed';
  assert.deepEqual(told, [
    [malformed, undefined],
    [malformed, 1],
    [malformed, 2],
    ['reserved_member_misused', 1],
    ['seal_malformed', 1],
    ['seal_malformed', 1],
    [malformed, 1],
    'admitted',
  ]);
});
