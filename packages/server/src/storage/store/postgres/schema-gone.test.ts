import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../../../test/house.ts';
import { ask, dropSchema, freshSchema, skip } from '../../../../test/postgres.ts';
import { realSystem } from '../../../telemetry/telemetry.ts';
import { createStore, openStore, storePlace } from '../../storage.ts';

test('a store that was dropped: who stands by ends and says what is missing, who leads leads no more', {
  skip,
}, async (context) => {
  const { url, schema } = freshSchema(context);
  const place = storePlace('', url, () => '');
  const leads = await createStore(place, { system: realSystem, holder: 'one' });
  leads.lost.catch(() => undefined);
  const found = Promise.withResolvers<void>();
  const standby = { signal: new AbortController().signal, waits: () => found.resolve() };
  const waiting = openStore(place, { system: realSystem, holder: 'other', standby });
  waiting.catch(() => undefined);
  await found.promise;
  await dropSchema(schema);
  await assert.rejects(waiting, {
    code: 'fleet_missing',
    message: /schema.* holds no store any more \(.*does not exist\): bring it back, or name another in fleet\.yaml$/,
  });
  await assert.rejects(leads.lost, { code: 'not_leader' });
  await leads[Symbol.asyncDispose]();
  await assert.rejects(openStore(place, { system: realSystem, holder: 'one' }), { code: 'fleet_missing' });
});

test('a store that is brought back to an earlier moment beneath who leads: that one leads no more, before anybody changes something', {
  skip,
}, async (context) => {
  const { url, schema } = freshSchema(context);
  const leads = await createStore(
    storePlace('', url, () => ''),
    { system: realSystem, holder: 'one' },
  );
  leads.lost.catch(() => undefined);
  const beats = async () => Number((await ask<{ beat: string }>(`SELECT beat FROM ${schema}.leadership`))[0]?.beat);
  await eventually(async () => (await beats()) >= 3, 'it goes on');
  // As a dump that was taken while it led has it: the same term.
  await ask(`UPDATE ${schema}.leadership SET beat = 1`);
  await assert.rejects(leads.lost, { code: 'not_leader', message: /or its store was restored$/ });
  await leads[Symbol.asyncDispose]();
});
