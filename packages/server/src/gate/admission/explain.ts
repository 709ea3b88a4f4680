import { type Fingerprint, PortcullisError, type ReasonCode, type VerdictView } from '@portcullis/contract';
import type { Replica } from '../../replica/replica.ts';
import { timestamp } from '../../telemetry/telemetry.ts';
import { Bearer } from '../connections/bearer.ts';
import type { Stream } from '../policy/policy.ts';
import type { Decision } from '../recording/verdicts.ts';
import { type Ground, judge, type Refused } from './admit.ts';
import { bounded } from './bounded.ts';

const standingReasons: readonly ReasonCode[] = [
  'certificate_suspended',
  'certificate_revoked',
  'certificate_superseded',
];

/** A refusal in full, for operators: with the change that made it so, where one did (P10). */
export function describe(refused: Refused, bearer: Bearer, stream: string | null, replica: Replica): Decision {
  const known = bearer.rowIn(replica) !== -1;
  const { attribute } = refused;
  const told = (value: unknown) => bounded(value ?? null);
  const named = (value: unknown) => (attribute === undefined ? told(value) : { [attribute]: told(value) });
  return {
    subject: known ? bearer.subjectId : null,
    certificate: bearer.name === '' ? null : (bearer.name as Fingerprint),
    stream,
    verdict: 'refused',
    reason: refused.reason,
    expected: named(refused.expected),
    found: named(refused.found),
    ...originOf(refused, bearer, replica),
  };
}

function originOf({ reason, attribute }: Refused, bearer: Bearer, replica: Replica) {
  const row = bearer.rowIn(replica);
  const certificate = row !== -1 && standingReasons.includes(reason) ? replica.certificate(row) : undefined;
  const origin =
    certificate ?? (attribute === undefined ? undefined : replica.attributeOrigin(bearer.subject, attribute));
  const { revision = replica.revision, changedBy = null, changedAt = null } = origin ?? {};
  return { revision, changedBy, changedAt };
}

export interface Question {
  subject?: string | undefined;
  certificate?: Fingerprint | undefined;
  stream?: string | undefined;
}

/**
 * What would be decided now, by the same function that decides: one verdict for each certificate and stream.
 * @throws {PortcullisError} `subject_unknown`, `certificate_unknown`, `usage`
 */
export function explain(question: Question, ground: Ground, gate: VerdictView['gate'], now: number): VerdictView[] {
  const { replica, policy } = ground;
  const streams = question.stream === undefined ? [...policy.streams.keys()] : [question.stream];
  return bearersOf(question, replica).flatMap((bearer) =>
    streams.map((name) => {
      const decision = decide(bearer, name, policy.streams.get(name), ground);
      return { at: timestamp(now), gate, ...decision, count: 1 };
    }),
  );
}

function decide(bearer: Bearer, name: string, stream: Stream | undefined, ground: Ground): Decision {
  const refused = judge({ bearer, stream, data: [] }, ground);
  if (refused) return describe(refused, bearer, name, ground.replica);
  return {
    subject: bearer.subjectId,
    certificate: bearer.name as Fingerprint,
    stream: name,
    verdict: 'admitted',
    reason: null,
    ...metBy(bearer, stream, ground.replica),
    revision: ground.replica.subjectRevision(bearer.subject),
    changedBy: null,
    changedAt: null,
  };
}

/** What the stream expects of this subject, and what it is. */
function metBy(bearer: Bearer, stream: Stream | undefined, replica: Replica) {
  if (stream === undefined) return { expected: null, found: null };
  const own = stream.expected?.of(bearer.subjectId);
  const expected = { ...Object.fromEntries(stream.expect), ...(typeof own === 'object' && own) };
  const names = [...Object.keys(expected), ...(stream.condition?.attributes ?? [])];
  return { expected, found: Object.fromEntries(names.map((name) => [name, replica.valueOf(bearer.subject, name)])) };
}

const perhapsEnded = 'one that ended, or was superseded, more than a day ago is shown by "portcullis certificate show"';

function bearersOf({ subject, certificate }: Question, replica: Replica): Bearer[] {
  if ((subject === undefined) === (certificate === undefined)) {
    throw new PortcullisError('usage', 'name either a subject or a certificate');
  }
  if (certificate !== undefined) {
    const bearer = new Bearer(Buffer.from(certificate, 'hex'));
    if (bearer.rowIn(replica) !== -1) return [bearer];
    throw new PortcullisError(
      'certificate_unknown',
      `this gate knows no certificate "${certificate}"; ${perhapsEnded}`,
    );
  }
  const row = replica.findSubject(subject ?? '');
  if (row === -1) throw new PortcullisError('subject_unknown', `this gate knows no subject "${subject}"`);
  return replica.certificatesOf(row).map((found) => new Bearer(Buffer.from(replica.fingerprintOf(found), 'hex')));
}
