/** The authority's rooms around issuers that follow each other, with a clock that the test owns. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { FleetName, type Kind, type Purpose } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import { pino } from 'pino';
import { type Issuance, makeFleet, openIssuance, type SignedCertificate } from '../src/issuance/issuance.ts';
import { fileKeys, type Keys } from '../src/keys/keys.ts';
import { openRollovers, type Rollovers } from '../src/rollover/rollover.ts';
import { asking } from './asking.ts';
import { openRecords, putSubject, type Records } from './records.ts';

export interface RolledFleet extends Records {
  fleet: FleetName;
  keys: Keys;
  issuance: Issuance;
  rollovers: Rollovers;
  by: { actor: string };
  /** A certificate on record, for a subject that is made with its first one. */
  enrolled(subject: string, kind?: Kind, purpose?: Purpose): Promise<SignedCertificate>;
}

export async function openRolledFleet(context: TestContext): Promise<RolledFleet> {
  const records = await openRecords(context);
  const { directory, store, system, journal } = records;
  mkdirSync(join(directory, 'keys'));
  const keys = fileKeys(join(directory, 'keys'));
  const fleet = FleetName.parse('fleet-1');
  await makeFleet({ store, keys, system, fleet });
  const issuance = await openIssuance({ store, keys, system });
  const log = pino({ level: 'silent' });
  const rollovers = await openRollovers({ ...records, keys, fleet, issuance, log });
  context.after(() => rollovers[Symbol.asyncDispose]());
  const request = makeRequest(makeKey(), 'anybody');
  return {
    ...{ ...records, fleet, keys, issuance, rollovers, by: { actor: 'operator-1' } },
    async enrolled(subject, kind = 'device', purpose = 'client') {
      await putSubject(records, subject, kind);
      const wanted = { server: { hosts: ['localhost'] }, label: { label: true as const }, client: { asking } };
      const asked = { subject, kind, request, ...wanted[purpose as keyof typeof wanted] };
      const signed = await issuance.issue(await issuance.check(asked));
      await journal.change({ actor: subject, action: 'certificates.enrol' }, (change) =>
        issuance.record(change, signed),
      );
      return signed;
    },
  };
}
