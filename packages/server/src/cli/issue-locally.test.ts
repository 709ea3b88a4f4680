import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FleetName } from '@portcullis/contract';
import { estFleet, operator } from '../../test/est-fleet.ts';
import { issueLocally } from './issue-locally.ts';

const config = { fleet: FleetName.parse('fleet-1'), gates: [], authorityUrl: '', enrolmentUrl: '' };

test('P9: an operator who was suspended or revoked gets no credential from the store itself, but by a word, which the journal keeps', async (context) => {
  const fleet = await estFleet(context);
  const { revocation, journal } = fleet;
  const add = (subject: string, more: object = {}) =>
    issueLocally(fleet as never, config as never, { subject, kind: 'operator', ...more });
  for (const subject of ['operator-1', 'anna', 'ben']) await add(subject);
  await add('anna');
  await revocation.change(operator, { action: 'revoke', subject: 'anna' } as never);
  await revocation.change(operator, { action: 'suspend', subject: 'ben' } as never);
  const { revision } = journal.head();
  const refused = { code: 'after_revocation_required', message: /say --after-revocation/ };
  for (const subject of ['anna', 'ben']) await assert.rejects(add(subject), refused);
  assert.equal(journal.head().revision, revision);
  await add('anna', { afterRevocation: true });
  const told = await journal.changeAt(revision + 1);
  assert.deepEqual([told?.action, told?.about], ['certificates.issue', { afterRevocation: true }]);
  const { items } = await revocation.list({ subject: 'anna', standing: 'valid', limit: 10 } as never);
  assert.equal(items.length, 1);
});
