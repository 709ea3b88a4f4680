import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Fingerprint, StandingsRequest } from '@portcullis/contract';
import { openRecords, putCertificate, putSubject, type Records } from '../../test/records.ts';

const by = { actor: 'operator-1' };
const box = 'box-1';

const hold = (records: Records) =>
  records.journal.change({ actor: 'monitor-1', action: 'signals.hold' }, (change) =>
    records.revocation.hold(change, box),
  );
const letGo = (records: Records) =>
  records.journal.change({ actor: 'monitor-1', action: 'signals.release' }, (change) =>
    records.revocation.letGo(change, box),
  );
const say = (records: Records, action: string) =>
  records.revocation.change(by, StandingsRequest.parse({ action, subject: box }));

async function open(context: Parameters<typeof openRecords>[0], standing = 'valid') {
  const records = await openRecords(context);
  await putSubject(records, box);
  const fingerprint = await putCertificate(records, box, 'of the box', { standing });
  return { records, standing: async () => (await records.revocation.find(fingerprint as Fingerprint))?.standing };
}

/** What the certificate is, what an operator says while it is held, what it is then, and once nothing holds it. */
const rows: [string, string | undefined, string, string][] = [
  ['valid', undefined, 'suspended', 'valid'],
  ['valid', 'suspend', 'suspended', 'suspended'],
  ['valid', 'resume', 'suspended', 'valid'],
  ['valid', 'revoke', 'revoked', 'revoked'],
  ['suspended', undefined, 'suspended', 'suspended'],
  ['suspended', 'resume', 'suspended', 'valid'],
  ['suspended', 'revoke', 'revoked', 'revoked'],
  ['revoked', undefined, 'revoked', 'revoked'],
];

for (const [from, said, held, after] of rows) {
  test(`P9: a ${from} certificate that is held${said ? ` and told to ${said}` : ''} is ${held}, and ${after} once let go`, async (context) => {
    const { records, standing } = await open(context, from);
    await hold(records);
    if (said) await say(records, said);
    assert.equal(await standing(), held);
    await letGo(records);
    assert.equal(await standing(), after);
    assert.equal(await records.store.read((db) => records.revocation.isHeld(db, box)), false);
  });
}

test('an operator that says again what is so underneath makes no revision', async (context) => {
  const { records } = await open(context);
  await hold(records);
  const { changed } = await say(records, 'suspend');
  const before = records.journal.head().revision;
  assert.deepEqual([changed, (await say(records, 'suspend')).changed, records.journal.head().revision], [1, 0, before]);
});

test('an undo of the hold, or of what was there before it, leaves it', async (context) => {
  const { records, standing } = await open(context);
  const { revision } = await hold(records);
  const record = await records.journal.changeAt(revision);
  assert.ok(record);
  const { result } = await records.journal.change({ ...by, action: 'change.undo', undoes: revision }, (change) =>
    records.revocation.undo(change, record),
  );
  assert.deepEqual([result.left.map(({ why }) => why), await standing()], [['held'], 'suspended']);
});
