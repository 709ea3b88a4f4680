/**
 * How a reading is judged: every one of them, over every transport, by these steps in this order (P4). Each step looks at one
 * thing and either refuses, with a reason of the closed table, or has nothing to say. What can not be determined is refused.
 */
import type { ReasonCode, Standing } from '@portcullis/contract';
import type { Lease, Replica } from '../replica/replica.ts';
import type { Connection } from './connections.ts';
import { mismatchOf } from './expectations.ts';
import type { Policy, Stream } from './policy.ts';

/** What the gate decides from: its replica, its lease, its own policy, and the time. */
export interface Ground {
  readonly replica: Replica;
  readonly lease: Lease;
  policy: Policy;
  /** Milliseconds since 1970, never below what the authority last said. */
  validityTime(): number;
}

/** One reading on its way in. The steps fill in what they find. */
export interface Arrival {
  readonly ground: Ground;
  readonly connection: Connection;
  readonly stream: Stream;
  /** Undefined while only the subject is judged, as for `explain`. */
  readonly reading?: Record<string, unknown> | undefined;
  /** Rows of the replica. */
  certificate: number;
  subject: number;
}

export interface Refused {
  reason: ReasonCode;
  expected?: unknown;
  found?: unknown;
  /** The attribute that decided. */
  attribute?: string;
}

type Step = (arrival: Arrival) => Refused | undefined;

/** P3: a peer is who it is because it presented a leaf in a verified handshake, not because a flag says so. */
const readPeerCertificate: Step = ({ connection }) =>
  connection.fingerprint === undefined ? { reason: 'certificate_missing' } : undefined;

/** Chaining to the fleet's issuer is not enough: its SHA-256 must be a row that the authority made. */
const findCertificate: Step = (arrival) => {
  const { connection, ground } = arrival;
  arrival.certificate = connection.rowIn(ground.replica);
  if (arrival.certificate === -1) return { reason: 'certificate_unknown' };
  arrival.subject = ground.replica.subjectOf(arrival.certificate);
  return undefined;
};

/** TLS refused what was invalid at the handshake; this is for connections that outlive their certificate. */
const checkValidity: Step = ({ ground, certificate }) => {
  const now = ground.validityTime();
  if (now > ground.replica.notAfterOf(certificate)) return { reason: 'certificate_expired' };
  return now < ground.replica.notBeforeOf(certificate) ? { reason: 'certificate_not_yet_valid' } : undefined;
};

const standingReasons: Record<Standing, ReasonCode | undefined> = {
  valid: undefined,
  suspended: 'certificate_suspended',
  revoked: 'certificate_revoked',
  superseded: 'certificate_superseded',
};

const checkStanding: Step = ({ ground, certificate }) => {
  const found = ground.replica.standingOf(certificate);
  const reason = standingReasons[found];
  return reason && { reason, expected: 'valid', found };
};

/** P5: without a lease the gate knows nothing. */
const checkLease: Step = ({ ground }) => (ground.lease.holds() ? undefined : { reason: 'replica_stale' });

const checkExpectations: Step = ({ ground, stream, subject }) => {
  const { replica } = ground;
  const kind = replica.kindOf(subject);
  if (!stream.kinds.includes(kind)) return { reason: 'kind_not_admitted', expected: stream.kinds, found: kind };
  for (const [attribute, expected] of stream.expect) {
    const value = replica.valueOf(subject, attribute);
    const reason = mismatchOf(expected, value);
    if (reason)
      return { reason, attribute, expected: { [attribute]: expected }, found: { [attribute]: value ?? null } };
  }
  return stream.condition?.readsReading === false ? checkCondition({ ground, stream, subject }) : undefined;
};

const checkReading: Step = ({ ground, stream, subject, reading }) =>
  stream.condition?.readsReading && reading ? checkCondition({ ground, stream, subject, reading }) : undefined;

function checkCondition({
  ground,
  stream,
  subject,
  reading,
}: Omit<Arrival, 'connection' | 'certificate'>): Refused | undefined {
  const { replica } = ground;
  const { condition } = stream;
  const id = replica.subjectId(subject);
  const facts = {
    subject: { id, kind: replica.kindOf(subject) },
    attributes: replica.attributesOf(subject),
    ...(reading && { reading }),
  };
  const outcome = condition?.evaluate(facts);
  if (outcome === undefined || outcome === 'met') return undefined;
  const [notMet, failed] = condition?.readsReading
    ? (['condition_not_met', 'condition_failed'] as const)
    : (['subject_condition_not_met', 'subject_condition_failed'] as const);
  if (outcome === 'not_met') return { reason: notMet, expected: condition?.text };
  return { reason: failed, expected: condition?.text, found: outcome.failed };
}

/** Everything about the certificate and its subject. */
const subjectSteps: readonly Step[] = [
  readPeerCertificate,
  findCertificate,
  checkValidity,
  checkStanding,
  checkLease,
  checkExpectations,
];

/** The whole way in, but for `recordReading`, which only what passed all of these reaches (`recording.ts`). */
const steps: readonly Step[] = [...subjectSteps, checkReading];

/** Undefined: admitted. */
export function judge(arrival: Arrival): Refused | undefined {
  for (const step of steps) {
    const refused = step(arrival);
    if (refused) return refused;
  }
  return undefined;
}

/** True while the certificate may still send to some stream, whether or not the gate holds a lease at this moment. */
export function isAdmissible(ground: Ground, connection: Connection): boolean {
  const arrival = (stream: Stream): Arrival => ({ ground, connection, stream, certificate: -1, subject: -1 });
  const refusing = (stream: Stream) => firstRefusal(arrival(stream))?.reason;
  return [...ground.policy.streams.values()].some((stream) => refusing(stream) === undefined);
}

function firstRefusal(arrival: Arrival): Refused | undefined {
  for (const step of subjectSteps) {
    const refused = step === checkLease ? undefined : step(arrival);
    if (refused) return refused;
  }
  return undefined;
}
