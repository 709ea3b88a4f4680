/** What a carrier can cost, and what it is answered when it brings nothing that could be judged. */
import assert from 'node:assert/strict';
import type { Agent } from 'node:https';
import { type TestContext, test } from 'node:test';
import { OpenFront } from '../../../../test/open-front.ts';
import { carry, reheaded, sealOf } from '../../../../test/sealing.ts';
import { keyCredentialName } from '../../../pki/pki.ts';

async function house(context: TestContext) {
  const gate = await OpenFront.open(context);
  const pump = await gate.device('pump-1');
  const agent: Agent = gate.agent(await gate.device('gateway-1', { kind: 'gateway' }));
  context.after(() => agent.destroy());
  return { gate, pump, agent };
}

const seal = Buffer.from('a.b.c');
const answered: [string, Buffer[], object, number, string][] = [
  ['nothing', [], {}, 400, 'reading_malformed'],
  ['more than a thousand seals', Array.from({ length: 1_001 }, () => seal), {}, 413, 'reading_too_large'],
  ['five megabytes', [Buffer.alloc(5 * 1024 * 1024, 'a')], {}, 413, 'reading_too_large'],
  ['readings', [Buffer.from('{}')], { type: 'application/json' }, 415, 'media_type_unsupported'],
  ['seals of no known form', [seal], { type: 'application/cose' }, 415, 'media_type_unsupported'],
];
for (const [what, seals, how, status, reason] of answered) {
  test(`a carrier that brings ${what} is answered ${reason}`, async (context) => {
    const { gate, agent } = await house(context);
    const { problem, ...answer } = await carry(gate, agent, seals, how);
    assert.deepEqual([answer.status, problem.reason], [status, reason]);
  });
}

for (const form of ['jws', 'cose'] as const) {
  test(`${form}: a thousand bytes of nothing are a thousand refusals that somebody signed, or one`, async (context) => {
    const { gate, pump, agent } = await house(context);
    const noise = Array.from({ length: 200 }, (_, index) => Buffer.from(`noise ${index}`));
    const { status, acknowledgements } = await carry(gate, agent, [sealOf(pump, {}, { form }), ...noise], { form });
    assert.equal(status, 200);
    const verdicts = acknowledgements.flatMap(({ seals }) => seals);
    assert.deepEqual(verdicts.filter(({ verdict }) => verdict === 'admitted').length, 1);
    for (const verdict of verdicts.filter((one) => one.verdict === 'refused'))
      assert.equal(verdict.reason, 'seal_malformed');
  });
}

test('of a flood of wrong signatures no more than some are checked, and the event loop goes round meanwhile', async (context) => {
  const { gate, pump, agent } = await house(context);
  const { key } = await gate.certificates.leaf({ subject: 'pump-1' });
  const wrong = Array.from({ length: 500 }, (_, index) => sealOf({ ...pump, key }, {}, { seq: index + 1 }));
  let [rounds, goesRound] = [0, true];
  const round = () => {
    rounds++;
    if (goesRound) setImmediate(round);
  };
  round();
  const { verdicts } = await carry(gate, agent, wrong);
  goesRound = false;
  const told = Object.groupBy(verdicts, (verdict) => (verdict?.verdict === 'refused' ? verdict.reason : 'admitted'));
  assert.deepEqual([told.seal_signature_wrong?.length, told.gate_overloaded?.length], [64, 436]);
  assert.ok(rounds > 20, String(rounds));
});

test('a seal in the name of a key credential is nobody’s, also with the bytes that its name is the hash of', async (context) => {
  const { gate, pump, agent } = await house(context);
  const keyId = Buffer.from('0a0b', 'hex');
  const fingerprint = keyCredentialName(keyId);
  gate.change({ subject: 'sensor-1', certificates: [{ ...pump, fingerprint }] });
  const brought = {
    'x5t#S256': Buffer.from(fingerprint, 'hex').toString('base64url'),
    x5c: [Buffer.concat([Buffer.from('oscore'), keyId]).toString('base64')],
  };
  const { verdicts } = await carry(gate, agent, [reheaded(sealOf(pump, {}), brought), sealOf(pump, {}, { seq: 2 })]);
  assert.deepEqual(
    verdicts.map((verdict) => (verdict?.verdict === 'refused' ? verdict.reason : 'admitted')),
    ['signer_unavailable', 'admitted'],
  );
});
