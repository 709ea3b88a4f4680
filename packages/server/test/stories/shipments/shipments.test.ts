/** Checkpoints at the authority's own listener: what each answer is, and what bad ones are. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ShipmentCreated, ShipmentView } from '@portcullis/contract';
import { House, type Pem, post } from '../../house.ts';
import { Operator } from '../../operator.ts';

const lane = `journey: lane
steps:
  - { name: factory, by: { role: factory } }
  - { name: customs, by: { role: customs } }
  - { name: delivered, by: { role: clinic }, require: { cold_chain: intact }, final: true }
offline: [customs]
`;

let house: House;
let operator: Operator;
const pems = new Map<string, Pem>();
before(async () => {
  house = await House.open((made) => {
    made.configure('fleet.yaml', (text) => `${text}attributes: { role: string, cold_chain: string }\n`);
    mkdirSync(join(made.fleet, 'journeys'));
    writeFileSync(join(made.fleet, 'journeys', 'lane.yaml'), lane);
  });
  operator = new Operator(house.fleet);
  for (const role of ['factory', 'customs', 'clinic']) {
    const kind = 'checkpoint' as const;
    pems.set(role, await operator.enrolled(role, join(house.home, role), { role }, kind));
  }
  pems.set('truck-17', await operator.enrolled('truck-17', join(house.home, 'truck-17')));
});
after(async () => {
  operator?.close();
  await house?.close();
});

const create = async (id: string, ...words: string[]) =>
  (await house.json<ShipmentCreated>('shipment', 'create', id, '--journey', 'lane', ...words))[0];

async function arrive(
  who: string,
  shipment: string,
  body: object | string,
): Promise<{ status: number; told: Record<string, unknown> }> {
  const url = `https://localhost:${house.basePort}/v1/shipments/${shipment}/arrivals`;
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const answer = await post(url, pems.get(who) as Pem, text);
  return { status: answer.status, told: JSON.parse(answer.body) as Record<string, unknown> };
}

test('an arrival is 201, the same again too, one that waits 202, and one that is not expected 409 with what is', async () => {
  await create('box-1', '--attribute', 'cold_chain=intact');
  const refused = await arrive('clinic', 'box-1', { arrival: 'early' });
  assert.deepEqual([refused.status, refused.told.reason], [409, 'out_of_sequence']);
  assert.deepEqual([refused.told.expected, refused.told.found], [['factory'], 'delivered']);
  const first = await arrive('factory', 'box-1', { arrival: 'a-1' });
  assert.deepEqual([first.status, first.told.outcome, first.told.next], [201, 'recorded', ['customs']]);
  assert.deepEqual(await arrive('factory', 'box-1', { arrival: 'a-1' }), first);
  assert.equal((await arrive('factory', 'box-1', { arrival: 'a-1', note: 'other' })).told.reason, 'arrival_id_reused');
  const waits = await arrive('clinic', 'box-1', { arrival: 'a-2' });
  assert.deepEqual([waits.status, waits.told.waitsFor, waits.told.revision], [202, ['customs'], null]);
  assert.equal(
    (await arrive('customs', 'box-1', { arrival: 'a-3', at: new Date(Date.now() - 1_000).toISOString() })).status,
    201,
  );
  const [shown] = await house.json<ShipmentView>('shipment', 'show', 'box-1');
  assert.deepEqual([shown?.state, shown?.step, shown?.arrivals.length], ['delivered', 'delivered', 4]);
  assert.equal((await arrive('customs', 'box-1', { arrival: 'a-4' })).told.reason, 'journey_finished');
});

test('what is no arrival, is too large, or comes from another kind is refused, and an unknown shipment is 404', async () => {
  await create('box-2');
  const bad: [object | string, number, string][] = [
    [{}, 400, 'request_malformed'],
    [{ arrival: '../x' }, 400, 'request_malformed'],
    [{ arrival: 'a', step: 'Factory!' }, 400, 'request_malformed'],
    [{ arrival: 'a', at: 'yesterday' }, 400, 'request_malformed'],
    [{ arrival: 'a', role: 'factory' }, 400, 'request_malformed'],
    [{ arrival: 'a', readings: Array(101).fill('r') }, 400, 'request_malformed'],
    ['{"arrival":', 400, 'request_malformed'],
    [{ arrival: 'a', note: 'x'.repeat(100_000) }, 413, 'request_too_large'],
    [{ arrival: 'a', at: new Date(Date.now() + 3_600_000).toISOString() }, 409, 'too_early'],
    [{ arrival: 'b', step: 'nowhere' }, 409, 'out_of_sequence'],
  ];
  for (const [body, status, reason] of bad) {
    const { status: found, told } = await arrive('factory', 'box-2', body);
    assert.deepEqual([found, told.reason], [status, reason], JSON.stringify(body).slice(0, 100));
  }
  assert.equal((await arrive('factory', 'box-9', { arrival: 'a' })).told.reason, 'subject_unknown');
  assert.equal((await arrive('truck-17', 'box-2', { arrival: 'c' })).told.reason, 'kind_not_allowed');
  const at = { arrival: 'd', at: '2026-11-27T24:61:00Z' };
  assert.equal((await arrive('factory', 'box-2', at)).status, 400);
});

test('a shipment without a tracker has a label certificate, with which nobody authenticates', async () => {
  const created = await create('box-3');
  assert.match(created?.code ?? '', /^[0-9A-Z]{32}$/);
  const [label] = await house.json<{ statement: string | null }>(
    'shipment',
    'label',
    'box-3',
    '--url',
    'https://v.example',
    '--code',
    created?.code ?? '',
  );
  assert.match(label?.statement ?? '', /^[\w-]+\.[\w-]+\.[\w-]+$/);
});

test('a checkpoint that is cut records nothing any more, over a connection that is open too', async () => {
  await create('box-4');
  await operator.stand('suspend', 'factory');
  assert.deepEqual(
    await arrive('factory', 'box-4', { arrival: 'a' }).then(({ status, told }) => [status, told.reason]),
    [403, 'not_authenticated'],
  );
  await operator.stand('resume', 'factory');
  assert.equal((await arrive('factory', 'box-4', { arrival: 'a' })).status, 201);
});
