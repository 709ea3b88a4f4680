/**
 * The store of a test's records: a file, and where PORTCULLIS_TEST_STORE is "postgres" a schema of the PostgreSQL of this machine
 * (`npm run conformance -- postgres` runs tests of the rooms so). It is gone once it is closed.
 */
import { createStore, type Store, storePlace } from '../src/storage/storage.ts';
import { realSystem } from '../src/telemetry/telemetry.ts';
import { dropSchema, newSchema, urlOf } from './postgres.ts';

const opening = { system: realSystem, holder: 'test' };

export async function freshStore(directory: string): Promise<Store> {
  if (process.env.PORTCULLIS_TEST_STORE !== 'postgres') return createStore({ directory }, opening);
  const schema = newSchema();
  const store = await createStore(
    storePlace(directory, urlOf(schema), () => ''),
    opening,
  );
  const close = store[Symbol.asyncDispose].bind(store);
  store[Symbol.asyncDispose] = async () => {
    await close();
    await dropSchema(schema);
  };
  return store;
}
