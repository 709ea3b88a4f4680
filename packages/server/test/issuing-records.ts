/** An authority's records, and a fleet's issuers beside them. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { FleetName } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import { type Issuance, makeFleet, openIssuance, type SignedCertificate } from '../src/issuance/issuance.ts';
import { fileKeys, type Keys } from '../src/keys/keys.ts';
import { asking } from './asking.ts';
import { openRecords, putSubject, type Records } from './records.ts';

export type IssuingRecords = Records & {
  keys: Keys;
  issuance: Issuance;
  /** Issued and recorded, as an enrolment or a renewal does it. */
  issue(subject: string, renewal?: { renews: string }): Promise<SignedCertificate>;
  /** A device with a certificate; resolves to its serial. */
  device(subject: string): Promise<string>;
};

export async function openIssuing(context: TestContext): Promise<IssuingRecords> {
  const records = await openRecords(context);
  const { directory, store, journal, system } = records;
  mkdirSync(join(directory, 'keys'));
  const keys = fileKeys(join(directory, 'keys'));
  await makeFleet({ store, keys, system, fleet: FleetName.parse('fleet-1') });
  const issuance = await openIssuance({ store, keys, system });
  const issue = async (subject: string, renewal?: { renews: string }) => {
    const request = makeRequest(makeKey(), subject);
    const signed = await issuance.issue(await issuance.check({ subject, kind: 'device', request, asking }));
    await journal.change({ actor: 'operator-1', action: 'test' }, (change) => issuance.record(change, signed, renewal));
    return signed;
  };
  const device = async (subject: string) => {
    await putSubject(records, subject);
    return (await issue(subject)).serial;
  };
  return { ...records, keys, issuance, issue, device };
}
