import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshDatabase, setReadOnly, skip } from '../../../../test/postgres.ts';
import { realSystem } from '../../../telemetry/telemetry.ts';
import { besideStore, createStore, openStore, storePlace } from '../../storage.ts';

const opening = { system: realSystem, holder: 'one' };

test('a database that takes no changes any more: who leads ends, and says why; who opens names the database', {
  skip,
}, async (context) => {
  const { url, database } = await freshDatabase(context);
  const place = storePlace('', url, () => '');
  const leads = await createStore(place, opening);
  leads.lost.catch(() => undefined);
  const beside = besideStore({ postgres: place.postgres as NonNullable<typeof place.postgres> });
  await beside.requireChanges();
  await setReadOnly(database, 'on');
  await assert.rejects(leads.lost, {
    code: 'not_leader',
    message: /^this authority does not lead any more: its term could not be renewed: the database takes no changes/,
  });
  await leads[Symbol.asyncDispose]();
  const named = new RegExp(
    `^${database} at .*:\\d+, schema portcullis: the database takes no changes: it is read-only`,
  );
  const failure = { code: 'store_unavailable', message: named };
  await assert.rejects(openStore(place, opening), failure);
  await assert.rejects(beside.requireChanges(), failure, 'who stands by would wait for ever, and say nothing');
  await setReadOnly(database, 'off');
  await beside.requireChanges();
  await (await openStore(place, opening))[Symbol.asyncDispose]();
});
