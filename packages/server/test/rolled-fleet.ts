/** The authority's rooms around issuers that follow each other, with a clock that the test owns. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { FleetName, type Kind, type Purpose } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import { pino } from 'pino';
import { type Issuance, makeFleet, openIssuance, type Root, type SignedCertificate } from '../src/issuance/issuance.ts';
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
  /** The same records, as the next process of the authority opens them. */
  restarted(): Promise<Pick<RolledFleet, 'issuance' | 'rollovers'>>;
  /** A certificate on record, for a subject that is made with its first one. */
  enrolled(subject: string, kind?: Kind, purpose?: Purpose, by?: Issuance): Promise<SignedCertificate>;
}

/** `bring`: another root than one that is made, by the fleet's clock. */
export async function openRolledFleet(
  context: TestContext,
  perCertificates = 100_000,
  bring?: (clock: Records['clock']) => Promise<Root>,
): Promise<RolledFleet> {
  const records = await openRecords(context);
  const root = await bring?.(records.clock);
  const { directory, store, system, journal } = records;
  mkdirSync(join(directory, 'keys'));
  const keys = fileKeys(join(directory, 'keys'));
  const fleet = FleetName.parse('fleet-1');
  await makeFleet({ store, keys, system, fleet, root });
  const log = pino({ level: 'silent' });
  const issuers = { perCertificates };
  const restarted = async () => {
    const issuance = await openIssuance({ store, keys, system });
    const rollovers = await openRollovers({ ...records, keys, fleet, issuance, issuers, log });
    context.after(() => rollovers[Symbol.asyncDispose]());
    return { issuance, rollovers };
  };
  const { issuance, rollovers } = await restarted();
  const request = makeRequest(makeKey(), 'anybody');
  return {
    ...{ ...records, fleet, keys, issuance, rollovers, restarted, by: { actor: 'operator-1' } },
    async enrolled(subject, kind = 'device', purpose = 'client', by = issuance) {
      await putSubject(records, subject, kind);
      const wanted = { server: { hosts: ['localhost'] }, label: { label: true as const }, client: { asking } };
      const asked = { subject, kind, request, ...wanted[purpose as keyof typeof wanted] };
      const signed = await by.issue(await by.check(asked));
      await journal.change({ actor: subject, action: 'certificates.enrol' }, (change) => by.record(change, signed));
      return signed;
    },
  };
}
