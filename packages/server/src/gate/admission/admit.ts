/**
 * How a reading is judged: every one of them, over every transport, by these steps in this order (P4). Each step looks at one
 * thing and either refuses, with a reason of the closed table, or has nothing to say. What can not be determined is refused.
 */
import type { ReasonCode, Standing } from '@portcullis/contract';
import type { Lease, Replica } from '../../replica/replica.ts';
import type { SinkRequest } from '../../storage/sink.ts';
import { timestamp } from '../../telemetry/telemetry.ts';
import type { Bearer } from '../connections/bearer.ts';
import type { Connection } from '../connections/connections.ts';
import { operations, type Policy, type Stream } from '../policy/policy.ts';
import type { Entry, Recording } from '../recording/recording.ts';
import type { JudgedData } from './judged-data.ts';
import { readingsRefused } from './reading-refused.ts';
import { subjectRefused } from './subject-refused.ts';

/** What the gate decides from: its replica, its lease, its own policy, and the time. */
export interface Ground {
  readonly replica: Replica;
  readonly lease: Lease;
  readonly policy: Policy;
  readonly recording: Recording<SinkRequest>;
  /** Milliseconds since 1970, never below what the authority last said. */
  validityTime(): number;
  /** The same; earlier where that is far ahead of all clocks, so that one of the two is wrong. */
  presentTime(): number;
}

/** One request: a certificate that wants to send readings to a stream. */
export interface Arrival {
  readonly bearer: Bearer;
  /** Who brings what the bearer sealed; undefined: it came by itself. */
  readonly carrier?: Connection | undefined;
  /** Undefined when the policy has no stream of that name. */
  readonly stream: Stream | undefined;
  /** The readings, all or nothing; none while only the subject is judged. */
  readonly data: readonly Record<string, unknown>[];
  /** Kept by what is judged again on every change. */
  readonly judged?: JudgedData;
}

/** Nothing is recorded for what came over no connection that could be cut: its bearer's, or its carrier's. */
export interface Incoming extends Arrival, Entry<SinkRequest> {
  readonly connection: Connection;
}

export interface Refused {
  reason: ReasonCode;
  expected?: unknown;
  found?: unknown;
  /** The attribute that decided. */
  attribute?: string;
  /** Of the readings, the one that decided, from 1. */
  line?: number;
  /** For the device: where its reading departs from the schema. */
  detail?: string;
  /** It is the carrier that was refused, not the bearer. */
  of?: 'carrier';
  /** What was expected is in the gate's own file: no device is told (P10). */
  withheld?: true;
}

type Step<Asked extends Arrival = Arrival> = (arrival: Asked, ground: Ground) => Refused | undefined;

/** P3: a peer is who it is because it presented a leaf in a verified handshake, not because a flag says so. */
const readPeerCertificate: Step = ({ bearer }) => (bearer.name === '' ? { reason: 'certificate_missing' } : undefined);

/** Chaining to the fleet's issuer is not enough: its SHA-256 must be a row that the authority made. Who is behind may not have heard of it. */
const findCertificate: Step = ({ bearer }, { replica, lease }) => {
  if (bearer.rowIn(replica) !== -1) return undefined;
  return { reason: lease.holds() ? 'certificate_unknown' : 'replica_stale' };
};

/**
 * TLS refused what was invalid at the handshake; this is for connections that outlive their certificate. One that has ended by what the
 * authority said before, and not by what the clocks say now, is refused (P9), by a gate that can not tell and says so.
 */
const checkValidity: Step = ({ bearer }, ground) => {
  const { replica } = ground;
  const row = bearer.rowIn(replica);
  const now = ground.validityTime();
  const [from, until] = [replica.notBeforeOf(row), replica.notAfterOf(row)];
  if (now > until) {
    const present = ground.presentTime();
    return outside(present > until ? 'certificate_expired' : 'clock_was_ahead', { from, until }, now, present);
  }
  return now < from ? outside('certificate_not_yet_valid', { from, until }, now, now) : undefined;
};

function outside(reason: ReasonCode, { from, until }: { from: number; until: number }, at: number, present: number) {
  const judgedAt = timestamp(at);
  const clocks = present < at && { clocksSay: timestamp(present) };
  return {
    reason,
    expected: { notBefore: timestamp(from), notAfter: timestamp(until) },
    found: { judgedAt, ...clocks },
    detail: `valid from ${timestamp(from)} to ${timestamp(until)}, judged at ${judgedAt}`,
  };
}

const standingReasons: Record<Standing, ReasonCode | undefined> = {
  valid: undefined,
  suspended: 'certificate_suspended',
  revoked: 'certificate_revoked',
  superseded: 'certificate_superseded',
};

/** What is final is so for ever; whether a suspension still holds, only a gate with a lease knows. */
const checkStanding: Step = ({ bearer }, { replica, lease }) => {
  const found = replica.standingOf(bearer.rowIn(replica));
  const reason = found === 'suspended' && !lease.holds() ? 'replica_stale' : standingReasons[found];
  if (reason === 'replica_stale') return { reason };
  return reason && { reason, expected: 'valid', found };
};

/** P5: without a lease the gate knows nothing. */
const checkLease: Step = (_arrival, { lease }) => (lease.holds() ? undefined : { reason: 'replica_stale' });

const checkExpectations: Step = ({ bearer, stream }, { replica }) => {
  if (stream === undefined) return { reason: 'stream_unknown' };
  const revision = replica.subjectRevision(bearer.subject);
  if (bearer.isKnownAdmitted(stream, revision)) return undefined;
  const refused = subjectRefused(bearer, stream, replica);
  if (refused) return refused;
  bearer.noteAdmitted(stream, revision);
  return undefined;
};

const checkReading: Step = ({ bearer, stream, data, judged }, { replica }) => {
  if (stream === undefined || judged?.isGood(data, stream, bearer, replica)) return undefined;
  const refused = readingsRefused(data, bearer, stream, replica);
  if (refused) return refused;
  judged?.noteGood(data, stream, bearer, replica);
  return undefined;
};

/** What was admitted waits for its commit, and is judged again if anything changes meanwhile (`recording.ts`). */
const recordReading: Step<Incoming> = (incoming, { recording }) => {
  recording.submit(incoming);
  return undefined;
};

/** P16: who carries is judged by the same steps, as one that sends to a stream of its own; whose seals it carries changes nothing of that. */
const checkCarrier: Step = ({ carrier }, ground) => {
  const refused = carrier && judgeCarrier(carrier, ground);
  return refused && { ...refused, of: 'carrier' };
};

const identitySteps: readonly Step[] = [readPeerCertificate, findCertificate, checkValidity, checkStanding];
const withoutLease: readonly Step[] = [...identitySteps, checkExpectations];
const carrierSteps: readonly Step[] = [...identitySteps, checkLease, checkExpectations];
const judgingSteps: readonly Step[] = [checkCarrier, ...identitySteps, checkLease, checkExpectations, checkReading];
const steps: readonly Step<Incoming>[] = [...judgingSteps, recordReading];

function walk<Asked extends Arrival>(way: readonly Step<Asked>[], arrival: Asked, ground: Ground): Refused | undefined {
  for (const step of way) {
    const refused = step(arrival, ground);
    if (refused) return refused;
  }
  return undefined;
}

/** The whole way. Undefined: admitted, and the arrival's `answer` will be called. */
export const admit = (incoming: Incoming, ground: Ground) => walk(steps, incoming, ground);

/** The same way without recording: for `explain`, for operators, and for what waits while something changes. */
export const judge = (arrival: Arrival, ground: Ground) => walk(judgingSteps, arrival, ground);

/** Whether somebody may carry at all, whatever it brings. */
export const judgeCarrier = (bearer: Bearer, ground: Ground) =>
  walk(carrierSteps, { bearer, stream: ground.policy.carry, data: [] }, ground);

/** The same for what is no decision, and is told whether or not the gate holds a lease. */
export const judgeWithoutLease = (arrival: Arrival, ground: Ground) => walk(withoutLease, arrival, ground);

/** True while the bearer may use some stream, carry, or ask, whether or not the gate holds a lease at this moment. */
export function isAdmissible(bearer: Bearer, ground: Ground): boolean {
  const subject = { bearer, stream: undefined, data: [] };
  if (walk(identitySteps, subject, ground)) return false;
  const { streams, carry, ask } = ground.policy;
  const ways = [...streams.values(), carry, operations, ...(ask ? [ask] : [])];
  return ways.some((stream) => checkExpectations({ ...subject, stream }, ground) === undefined);
}
