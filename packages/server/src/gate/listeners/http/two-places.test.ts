import assert from 'node:assert/strict';
import { Agent } from 'node:https';
import { test } from 'node:test';
import { OpenFront } from '../../../../test/open-front.ts';

test('a copied key: two that send from two addresses at a time are seen, one that moved is not', async (context) => {
  const gate = await OpenFront.open(context);
  const [copied, moved] = [await gate.device('truck-17'), await gate.device('truck-18')];
  const from = (localAddress: string, { key, cert }: typeof copied) => {
    const agent = new Agent({ key, cert, ca: gate.certificates.rootPem, keepAlive: true, localAddress });
    context.after(() => agent.destroy());
    return agent;
  };
  const ways = [from('127.0.0.1', copied), from('127.0.0.2', copied)] as const;
  const post = async (agent: Agent) => assert.equal((await gate.post(agent, '{"t":1}')).status, 202);
  for (const agent of [from('127.0.0.1', moved), from('127.0.0.2', moved)]) await post(agent);
  await post(ways[0]);
  await post(ways[1]);
  assert.deepEqual(gate.listeners.twoPlaces, []);
  await post(ways[0]);
  await post(ways[1]);
  assert.deepEqual(
    gate.listeners.twoPlaces.map(({ subject }) => subject),
    ['truck-17'],
  );
});
