import type { Replica } from '../../replica/replica.ts';
import type { Bearer } from '../connections/bearer.ts';
import type { Stream } from '../policy/policy.ts';
import type { Refused } from './admit.ts';

/** With a reading the condition is one on the reading; without, on the subject. */
export function conditionRefused(
  { subject, subjectId: id }: Bearer,
  { condition }: Stream,
  replica: Replica,
  reading?: Record<string, unknown>,
): Refused | undefined {
  const attribute = (name: string) => replica.valueOf(subject, name);
  const outcome = condition?.evaluate({ subject: { id, kind: replica.kindOf(subject) }, attribute, reading });
  if (outcome === undefined || outcome === 'met') return undefined;
  const about = reading ? 'condition' : 'subject_condition';
  const expected = condition?.text;
  return outcome === 'not_met'
    ? { reason: `${about}_not_met`, expected }
    : { reason: `${about}_failed`, expected, found: outcome.failed };
}
