import type { Refused } from '../../admission/admit.ts';
import { describe } from '../../admission/explain.ts';
import type { Connection } from '../../connections/connections.ts';
import type { SubmissionParts } from '../submission.ts';

/** Counts, tells and keeps that somebody was refused to carry, whatever he brought. */
export function noteCarrierRefused(
  { ground, verdicts, now }: Pick<SubmissionParts, 'ground' | 'verdicts' | 'now'>,
  carrier: Connection,
  name: string,
  refused: Refused,
): void {
  verdicts.sightings.note(carrier.subjectId, { at: now(), verdict: 'refused' });
  const stream = ground.policy.streams.has(name) ? name : null;
  verdicts.refused(refused.reason, carrier.name, stream, 1, () => describe(refused, carrier, stream, ground.replica));
}
