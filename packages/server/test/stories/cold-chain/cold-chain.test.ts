/** A load gets warm: a device's readings, through a gate, move the attribute of the shipment that the device is on. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ExcursionsView, SubjectView } from '@portcullis/contract';
import { parseAnswer } from '@portcullis/device';
import type { z } from 'zod';
import { decided, eventually, House, type Pem, readingsUrl } from '../../house.ts';
import { Operator } from '../../operator.ts';

const rule = `rule: cold-chain
streams: [telemetry]
about: attributes.shipment
outside: reading.temperature > 8.0
inside: reading.temperature < 7.5
for: 2s
silent: 10m
on:
  breach: { cold_chain: broken }
  silence: { cold_chain: unknown }
  well: { cold_chain: intact }
`;

let house: House;
let operator: Operator;
let tracker: Pem;
before(async () => {
  house = await House.open((made) => {
    mkdirSync(join(made.fleet, 'rules'));
    writeFileSync(join(made.fleet, 'rules', 'cold-chain.yaml'), rule);
  });
  operator = new Operator(house.fleet);
  await house.json('token', 'create', 'box-1', '--kind', 'shipment');
  const attributes = { status: 'active', shipment: 'box-1' };
  tracker = await operator.enrolled('tracker-1', join(house.home, 'tracker-1'), attributes);
});
after(async () => {
  operator?.close();
  await house?.close();
});

async function send(temperature: number): Promise<void> {
  const { status, body } = await decided(readingsUrl(house), tracker, JSON.stringify({ temperature }));
  assert.equal(status, 202, body);
}

async function ask<Value>(path: string, shape: z.ZodType<Value>): Promise<Value> {
  return shape.parse(parseAnswer(await operator.link.request({ url: `${operator.credential.authority}${path}` })));
}

async function coldChain(): Promise<unknown> {
  const { attributes } = await ask('/v1/subjects/box-1', SubjectView);
  return attributes.find(({ name }) => name === 'cold_chain')?.value;
}

const told = async () => (await ask('/v1/subjects/box-1/excursions', ExcursionsView)).rules[0];

/** Readings of this temperature, until the attribute is so. */
async function sendUntil(temperature: number, value: string): Promise<void> {
  await eventually(async () => {
    await send(temperature);
    return (await coldChain()) === value;
  }, `cold_chain is ${value}`);
}

test('1. the first readings within the bounds show that the load is well', async () => {
  await sendUntil(5, 'intact');
});

test('2. it gets warm, and stays so for too long: the attribute is moved, in a revision that says why', async () => {
  await sendUntil(12, 'broken');
  const changes = await house.json<{ action: string; reason: string; first: string[] }>('change', 'list');
  const breach = changes.find(({ action }) => action === 'rules.breach');
  assert.deepEqual(breach?.first, ['box-1']);
  assert.match(breach?.reason ?? '', /^cold-chain: box-1 was outside for longer than 2 s/);
  const [alert] = await house.json<{ kind: string; subject: string }>('alert', 'list', '--kind', 'breach');
  assert.deepEqual([alert?.kind, alert?.subject], ['breach', 'box-1']);
});

test('3. it is cold again, and the authority was killed meanwhile: a breach does not go away by itself', async () => {
  await house.authority?.kill();
  await house.startAuthority();
  await eventually(async () => {
    await send(5);
    return (await told())?.excursions.every(({ to }) => to !== null) ?? false;
  }, 'the excursion is over');
  assert.equal(await coldChain(), 'broken');
  const found = await told();
  assert.deepEqual([found?.status, found?.excursions.length, found?.breaches.length], ['broken', 1, 1]);
});

test('4. nobody sets it by hand; a person acknowledges it with a reason, and the record stays', async () => {
  const byHand = await house.portcullis('attribute', 'set', 'box-1', 'cold_chain=intact');
  assert.deepEqual([byHand.status, /attribute_reserved/.test(byHand.error)], [1, true], byHand.error);
  await house.json('breach', 'acknowledge', 'box-1', '--reason', 'the goods bear that');
  assert.equal(await coldChain(), 'intact');
  assert.deepEqual(await house.json('breach', 'list'), []);
  assert.equal((await told())?.breaches[0]?.acknowledged?.reason, 'the goods bear that');
});
