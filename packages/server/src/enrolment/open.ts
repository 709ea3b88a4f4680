import type { AlertsRaised } from '../alerts/alerts.ts';
import type { Attributes } from '../attributes/attributes.ts';
import { Buckets } from '../bounds/bounds.ts';
import type { Issuance } from '../issuance/issuance.ts';
import type { Journal } from '../journal/journal.ts';
import type { Revocation } from '../revocation/revocation.ts';
import type { Store } from '../storage/storage.ts';
import type { Log, System } from '../telemetry/telemetry.ts';
import { Answers, type MakeKey } from './answers.ts';
import { placesOf } from './credential.ts';
import { openEst } from './est/est.ts';
import { Nonces } from './nonces.ts';
import type { Enrolment } from './promises.ts';
import { confirm, confirmUsed, listGates, renew } from './renewal.ts';
import { tellTime } from './time.ts';
import { createTokens, enrol, listTokens, revokeToken } from './tokens.ts';
import { Tries } from './tries.ts';

interface Parts {
  alerts: Pick<AlertsRaised, 'raise'>;
  store: Store;
  journal: Journal;
  attributes: Attributes;
  revocation: Revocation;
  issuance: Issuance;
  system: System;
  log: Log;
  fleet: string;
  /** Each one, or those of several that stand for each other. */
  authorityUrl: string | string[];
  enrolmentUrl: string | string[];
  /** Where a desk is, for whoever takes one. */
  deskUrl?: string | string[] | undefined;
  /** For the key that signs answers. */
  makeKey: MakeKey;
  /** What devices are told of gates before any gate has announced itself. */
  gates: string[];
}

export type EnrolmentParts = Parts & {
  nonces: Nonces;
  answers: Answers;
  /** How often the same alarm is written down: who raises it could fill the journal. */
  alarms: Buckets;
};

const alarmEveryMs = 60_000;

export function openEnrolment(given: Parts): Enrolment {
  const { monotonic } = given.system;
  const nonces = new Nonces(given.system);
  const alarms = new Buckets({ burst: 1, everyMs: alarmEveryMs, monotonic });
  const parts = { ...given, nonces, alarms, answers: new Answers(given) };
  const tries = new Tries(monotonic);
  const bounded = <T>(address: string, work: () => Promise<T>): Promise<T> =>
    work().catch((error: unknown) => {
      throw tries.failed(address, error);
    });
  return {
    createTokens: (by, request) => createTokens(parts, by, request),
    listTokens: (query) => listTokens(parts, query),
    revokeToken: (by, id) => revokeToken(parts, by, id),
    enrol: (address, request) => bounded(address, () => enrol(parts, request)),
    nonce: () => nonces.make(),
    renew: (address, request) => bounded(address, () => renew(parts, request)),
    confirm: (address, request) => bounded(address, () => confirm(parts, request)),
    used: (by, { certificates }) => confirmUsed(parts, by, certificates),
    est: openEst(parts, bounded),
    gates: (address, request) => bounded(address, () => listGates(parts, request)),
    addresses: (kind) => placesOf(parts, kind).addresses,
    time: ({ challenge }) => tellTime(parts, challenge),
  };
}
