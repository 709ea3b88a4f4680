import type { Fingerprint, SubjectId, VerdictView } from '@portcullis/contract';
import { timestamp } from '../telemetry/telemetry.ts';
import { type Arrival, type Ground, judge, type Refused } from './admit.ts';
import { Connection } from './connections.ts';
import type { Stream } from './policy.ts';
import type { Said } from './verdicts.ts';

/** Who is behind a refusal: the change of the attribute or of the standing that decided. */
export function saidOf(arrival: Arrival, refused: Refused | undefined, readings: number): Said {
  const { ground, connection, stream, certificate, subject } = arrival;
  const { replica } = ground;
  const known = certificate !== -1;
  const base = {
    subject: known ? replica.subjectId(subject) : null,
    certificate: connection.fingerprint?.toString('hex') ?? null,
    stream: stream.name,
    reason: refused?.reason ?? null,
    readings,
    revision: replica.revision,
  };
  if (!refused || !known) return base;
  const { expected, found } = refused;
  return { ...base, expected, found, ...originOf(arrival, refused) };
}

function originOf({ ground, certificate, subject }: Arrival, { reason, attribute }: Refused) {
  const { replica } = ground;
  const origin = attribute === undefined ? undefined : replica.attribute(subject, attribute);
  if (origin) return pick(origin);
  return reason.startsWith('certificate_') ? pick(replica.certificate(certificate)) : {};
}

function pick({ revision, changedBy, changedAt }: { revision: number; changedBy: string; changedAt: string }) {
  return { revision, changedBy, changedAt };
}

const nowhere = { remoteAddress: '', end: () => undefined };

/** What would be decided now for a certificate on a stream, by the same steps that decide. The reading itself is not looked at. */
export function explain(ground: Ground, gate: string, fingerprint: string, stream: Stream): VerdictView {
  const connection = Connection.open({ fingerprint: Buffer.from(fingerprint, 'hex') }, nowhere);
  const arrival = { ground, connection, stream, certificate: -1, subject: -1 };
  const refused = judge(arrival);
  const { readings, ...said } = saidOf(arrival, refused, 1);
  return {
    expected: null,
    found: null,
    changedBy: null,
    changedAt: null,
    ...said,
    certificate: said.certificate as Fingerprint,
    gate: gate as SubjectId,
    at: timestamp(ground.validityTime()),
    verdict: said.reason === null ? 'admitted' : 'refused',
    count: readings,
  };
}
