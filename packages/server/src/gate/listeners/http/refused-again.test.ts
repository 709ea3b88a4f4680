import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OpenFront } from '../../../../test/open-front.ts';

const status = (value: string) => ({ subject: 'truck-17', attributes: { status: { value } } });

test('P4: a device that hammers is told to stay away for longer, each refusal is counted, and with the change that lifts it its next reading is in', async (context) => {
  const gate = await OpenFront.open(context, {
    streams: { telemetry: { kinds: ['device' as const], expect: { status: 'active' } } },
  });
  const leaf = await gate.device('truck-17', { attributes: { status: { value: 'off', public: true } } });
  const post = async () => {
    // Each over a connection of its own: nothing else admits it.
    const agent = gate.agent(leaf);
    const answer = await gate.post(agent, '{"t":1}');
    agent.destroy();
    return answer;
  };
  const refused = [await post(), await post(), await post()];
  assert.deepEqual(
    refused.map((one) => [one.status, one.body.reason, one.headers.connection, one.headers['retry-after']]),
    ['1', '2', '4'].map((seconds) => [403, 'attribute_not_expected', 'close', seconds]),
  );
  assert.deepEqual(new Set(refused.map(({ body }) => JSON.stringify(body))).size, 1);
  assert.deepEqual(refused[0]?.body.found, { status: 'off' });
  assert.equal(gate.verdicts.counters.refused, 3);
  gate.change(status('active'));
  assert.equal((await post()).status, 202);
  gate.change(status('off'));
  assert.equal((await post()).headers['retry-after'], '1');
});
