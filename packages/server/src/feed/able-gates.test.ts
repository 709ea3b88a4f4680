import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openRecords, putCertificate, putSubject, startedAt } from '../../test/records.ts';
import { AbleGates } from './able-gates.ts';

test('the gates of valid standing are those of the store and of the changes since, each until its certificate expires', async (context) => {
  const records = await openRecords(context);
  for (const gate of ['gate-1', 'gate-2']) await putSubject(records, gate, 'gate', {});
  await putSubject(records, 'truck-1');
  const hour = 3_600_000;
  await putCertificate(records, 'gate-1', 'long');
  await putCertificate(records, 'gate-2', 'short', { notAfter: startedAt + hour });
  await putCertificate(records, 'truck-1', 'of a device');
  const gates = await AbleGates.read(records.store);
  assert.deepEqual(gates.at(startedAt), ['gate-1', 'gate-2']);
  assert.deepEqual(gates.at(startedAt + hour), ['gate-1']);
  records.journal.onChange(({ subjects }) => gates.apply(subjects));
  const stand = async (action: 'suspend' | 'resume') => {
    await records.revocation.change({ actor: 'operator-1' }, { action, subject: 'gate-1' as never });
    return gates.at(startedAt);
  };
  assert.deepEqual(await stand('suspend'), ['gate-2']);
  assert.deepEqual(await stand('resume'), ['gate-1', 'gate-2']);
  assert.equal(gates.at(startedAt), gates.at(startedAt), 'one list for receipts that hold the same');
});
