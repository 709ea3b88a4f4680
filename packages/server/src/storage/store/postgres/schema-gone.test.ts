import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dropSchema, freshSchema, skip } from '../../../../test/postgres.ts';
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
