import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { eventually } from '../../test/house.ts';
import { openRecords } from '../../test/records.ts';
import { createLog } from '../telemetry/telemetry.ts';
import { acceptConfig, againstConfig, type ConfigHashes, LedConfig } from './authorities.ts';

const log = createLog({ role: 'authority', level: 'silent' });
const config = (values: Record<string, string>): ConfigHashes =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, createHash('sha256').update(value).digest('hex')]),
  );
const [lease, rule] = ['fleet.yaml leaseMs', 'rules/cold.yaml'];
const old = config({ [lease]: '5000', [rule]: 'a' });
const next = config({ [lease]: '9000', 'journeys/export.yaml': 'b' });

async function fleet(context: TestContext) {
  const { store } = await openRecords(context);
  const lead = async (own: ConfigHashes, hasStoodBy: boolean) => {
    const led = await LedConfig.open({ store, read: () => own, hasStoodBy, log });
    await led[Symbol.asyncDispose]();
  };
  const against = async (own: ConfigHashes) => (await store.read((db) => againstConfig(db, own)))?.message;
  return { store, lead, against };
}

test('a store that nobody led by a known configuration is led by the first; another stands by and is told what differs, and no value', async (context) => {
  const { lead, against } = await fleet(context);
  assert.equal(await against(next), undefined);
  await lead(old, true);
  assert.equal(await against(old), undefined);
  const why = (await against(next)) ?? '';
  assert.match(
    why,
    /: "leaseMs" in fleet\.yaml differs, journeys\/export\.yaml is here alone, rules\/cold\.yaml is not here; .*authority accept-config/,
  );
  assert.doesNotMatch(why, /9000|5000/);
  await assert.rejects(lead(next, true), { code: 'config_differs' });
  assert.equal(await against(old), undefined);
});

test('what was accepted may lead next, and until then so may what is led by; after that it may not, and nothing is left of it', async (context) => {
  const { store, lead, against } = await fleet(context);
  await lead(old, true);
  assert.deepEqual(await store.change((db) => acceptConfig(db, old)), []);
  assert.equal((await store.change((db) => acceptConfig(db, next))).length, 3);
  assert.deepEqual([await against(old), await against(next)], [undefined, undefined]);
  await lead(old, true);
  assert.equal(await against(next), undefined);
  const third = config({ [lease]: '1' });
  assert.match((await against(third)) ?? '', /"leaseMs"/);
  await lead(next, true);
  assert.match((await against(old)) ?? '', /"leaseMs"/);
  // Back again, and what was accepted once is accepted no more.
  await lead(old, false);
  assert.match((await against(next)) ?? '', /"leaseMs"/);
});

test('who is started to lead leads by its own; what can not be read is of no machine', async (context) => {
  const { store, lead, against } = await fleet(context);
  await lead(old, true);
  await lead(next, false);
  assert.equal(await against(next), undefined);
  await store.change((db) => db.updateTable('settings').set({ value: '{' }).where('name', '=', 'ledConfig').execute());
  assert.match((await against(next)) ?? '', /is here alone/);
  await store.change((db) => acceptConfig(db, next));
  await lead(next, true);
  assert.equal(await against(next), undefined);
});

test('files that change while it leads are what the fleet is led by soon after', async (context) => {
  const { store, against } = await fleet(context);
  let own = old;
  await using led = await LedConfig.open({ store, read: () => own, hasStoodBy: false, log });
  own = next;
  led.changed();
  await eventually(async () => (await against(next)) === undefined, 'it is stored');
  assert.match((await against(old)) ?? '', /differs/);
});
