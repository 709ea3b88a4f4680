/** What crosses to a desk that answers questions about certificates: how each stands, and each time that it changes. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FleetName, StandingsMessage } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import { eventually } from '../../test/house.ts';
import { openRecords, putSubject } from '../../test/records.ts';
import { makeFleet, openIssuance } from '../issuance/issuance.ts';
import { fileKeys } from '../keys/keys.ts';
import { StandingsFeed } from './standings-feed.ts';

const by = { actor: 'operator-1' };

async function open(context: TestContext) {
  const records = await openRecords(context);
  const { directory, store, journal, system } = records;
  mkdirSync(join(directory, 'keys'));
  const keys = fileKeys(join(directory, 'keys'));
  await makeFleet({ store, keys, system, fleet: FleetName.parse('fleet-1') });
  const issuance = await openIssuance({ store, keys, system });
  const device = async (subject: string) => {
    await putSubject(records, subject);
    const request = makeRequest(makeKey(), subject);
    const signed = await issuance.issue(issuance.check({ subject, kind: 'device', request }));
    await journal.change({ ...by, action: 'test' }, (change) => issuance.record(change, signed));
    return signed.serial;
  };
  /** By serial number: why it is not good, as it was told last. */
  const told = new Map<string, number | null>();
  let [issuers, beat] = [0, -1];
  const hear = async (message: StandingsMessage) => {
    const read = StandingsMessage.parse(JSON.parse(JSON.stringify(message)));
    if (read.type === 'issuers') issuers = read.issuers.length;
    else if (read.type === 'beat') beat = read.revision;
    else for (const [, serial, why] of read.items) told.set(serial, why);
  };
  const listen = async () => {
    const over = new AbortController();
    const parts = { ...records, issuers: issuance.issuers, now: system.now, write: hear, signal: over.signal };
    const feed = new StandingsFeed(parts).run();
    context.after(async () => {
      over.abort();
      await feed;
    });
    await eventually(() => beat === journal.head().revision, 'all was told');
  };
  const changed = async (action: string, subject: string, reasonCode?: string) => {
    const code = reasonCode === undefined ? {} : { reasonCode };
    await records.revocation.change(by, { action, subject, ...code } as never);
    await eventually(() => beat === journal.head().revision, 'the change was told');
  };
  return { device, told, listen, changed, issuersTold: () => issuers };
}

test('all certificates are told first, the issuers among them; then what each change touched, with why', async (context) => {
  const { device, told, listen, changed, issuersTold } = await open(context);
  const [one, two] = [await device('truck-1'), await device('truck-2')];
  await listen();
  assert.equal(issuersTold(), 3);
  assert.deepEqual([told.get(one), told.get(two), told.size], [null, null, 5]);
  await changed('suspend', 'truck-1');
  assert.equal(told.get(one), 6, 'certificateHold');
  await changed('resume', 'truck-1');
  assert.equal(told.get(one), null);
  await changed('revoke', 'truck-1', 'keyCompromise');
  await changed('revoke', 'truck-2');
  assert.deepEqual([told.get(one), told.get(two)], [1, 0]);
  const three = await device('truck-3');
  await eventually(() => told.get(three) === null, 'a new one is told');
});
