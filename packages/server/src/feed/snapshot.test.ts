import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FeedMessage } from '@portcullis/contract';
import { openRecords, putCertificate, putSubject, startedAt } from '../../test/records.ts';
import { writeSnapshot } from './snapshot.ts';

const day = 86_400_000;

test('a snapshot tells of no certificate that ended, or was superseded, more than a day ago', async (context) => {
  const records = await openRecords(context);
  await putSubject(records, 'truck-17');
  const put = (name: string, given: object) => putCertificate(records, 'truck-17', name, given);
  const told = [
    await put('in use', {}),
    await put('revoked', { standing: 'revoked', changedAt: startedAt - 5 * day }),
    await put('superseded a moment ago', { standing: 'superseded', changedAt: startedAt - 1_000 }),
    await put('ended a moment ago', { notAfter: startedAt - 1_000 }),
  ];
  await put('superseded', { standing: 'superseded', changedAt: startedAt - day - 1_000 });
  await put('ended', { notAfter: startedAt - day - 1_000 });
  const messages: FeedMessage[] = [];
  const parts = { fleet: 'fleet-1', names: new Set<string>(), now: startedAt };
  await writeSnapshot(records, parts, async (line) => void messages.push(FeedMessage.parse(JSON.parse(line))));
  const subjects = messages.flatMap((message) => (message.type === 'subjects' ? message.subjects : []));
  const found = subjects.flatMap(({ certificates }) => certificates.map(({ fingerprint }) => fingerprint));
  assert.deepEqual(found.toSorted(), told.toSorted());
});
