import type { Attributes } from '../attributes/attributes.ts';
import type { Issuance } from '../issuance/issuance.ts';
import type { Journal } from '../journal/journal.ts';
import type { Revocation } from '../revocation/revocation.ts';
import type { Store } from '../storage/storage.ts';
import type { Log, System } from '../telemetry/telemetry.ts';
import { Nonces } from './nonces.ts';
import type { Enrolment } from './promises.ts';
import { confirm, listGates, renew } from './renewal.ts';
import { createTokens, enrol, listTokens, revokeToken } from './tokens.ts';
import { Tries } from './tries.ts';

interface Parts {
  store: Store;
  journal: Journal;
  attributes: Attributes;
  revocation: Revocation;
  issuance: Issuance;
  system: System;
  log: Log;
  fleet: string;
  authorityUrl: string;
  enrolmentUrl: string;
  /** What devices are told of gates before any gate has announced itself. */
  gates: string[];
}

export type EnrolmentParts = Parts & { nonces: Nonces };

export function openEnrolment(given: Parts): Enrolment {
  const nonces = new Nonces(given.system);
  const parts = { ...given, nonces };
  const tries = new Tries(given.system.monotonic);
  const bounded = async <T>(address: string, work: () => Promise<T>): Promise<T> => {
    tries.require(address);
    return work().catch((error: unknown) => {
      tries.failed(address);
      throw error;
    });
  };
  return {
    createTokens: (by, request) => createTokens(parts, by, request),
    listTokens: (query) => listTokens(parts, query),
    revokeToken: (by, id) => revokeToken(parts, by, id),
    enrol: (address, request) => bounded(address, () => enrol(parts, request)),
    nonce: () => nonces.make(),
    renew: (address, request) => bounded(address, () => renew(parts, request)),
    confirm: (address, request) => bounded(address, () => confirm(parts, request)),
    gates: (address, request) => bounded(address, () => listGates(parts, request)),
  };
}
