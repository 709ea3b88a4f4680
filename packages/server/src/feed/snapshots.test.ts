import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openRecords, putSubject } from '../../test/records.ts';
import { Snapshots } from './snapshots.ts';

test('the file of a snapshot stays for who asked for it, however slowly he is told that it comes', async (context) => {
  const records = await openRecords(context);
  await putSubject(records, 'truck-1');
  const { store, attributes, system, clock, directory } = records;
  const made = Promise.withResolvers<void>();
  let begun = () => {};
  const slowStore = { ...store, snapshot: (work: never) => made.promise.then(() => store.snapshot(work)) };
  const parts = {
    store: slowStore as never,
    attributes,
    system,
    fleet: 'fleet-1',
    directory: join(directory, 'snapshots'),
  };
  const snapshots = new Snapshots(parts);
  const told = Promise.withResolvers<void>();
  const isTold = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const names = new Set<string>();
  const pieces: Buffer[] = [];
  const slow = snapshots.send(
    { names, atLeast: 0 },
    async (piece) => void pieces.push(Buffer.from(piece)),
    () => {
      begun();
      return told.promise;
    },
  );
  await isTold;
  made.resolve();
  const quick = () =>
    snapshots.send(
      { names, atLeast: 0 },
      async () => {},
      async () => {},
    );
  await quick();
  // The next one makes a newer file, and the older is put away when it ends.
  clock.now += 60_000;
  await quick();
  told.resolve();
  assert.equal(await slow, records.journal.head().revision);
  assert.match(Buffer.concat(pieces).toString(), /"complete"/);
  snapshots.close();
});
