import type { Replica } from '../../replica/replica.ts';
import type { Bearer } from '../connections/bearer.ts';
import { type Expectation, mismatchOf } from '../policy/expectations.ts';
import type { Stream } from '../policy/policy.ts';
import type { Refused } from './admit.ts';
import { conditionRefused } from './condition-refused.ts';

/** What a stream requires of a subject, whatever it sends: its kind, its attributes, what this gate alone expects of it. */
export function subjectRefused(bearer: Bearer, stream: Stream, replica: Replica): Refused | undefined {
  return (
    kindRefused(bearer, stream, replica) ??
    unexpected(bearer, stream.expect, replica) ??
    ownRefused(bearer, stream, replica) ??
    conditionOnSubjectRefused(bearer, stream, replica)
  );
}

function kindRefused({ subject }: Bearer, { kinds }: Stream, replica: Replica): Refused | undefined {
  const found = replica.kindOf(subject);
  return kinds.includes(found) ? undefined : { reason: 'kind_not_admitted', expected: kinds, found };
}

function unexpected(
  { subject }: Bearer,
  expectations: Iterable<readonly [string, Expectation]>,
  replica: Replica,
): Refused | undefined {
  for (const [attribute, expected] of expectations) {
    const found = replica.valueOf(subject, attribute);
    const reason = mismatchOf(expected, found);
    if (reason) return { reason, attribute, expected, found: found ?? null };
  }
  return undefined;
}

/** The second factor: who can change the attribute store alone does not know it. */
function ownRefused(bearer: Bearer, { expected }: Stream, replica: Replica): Refused | undefined {
  if (expected === undefined) return undefined;
  const own = expected.of(bearer.subjectId);
  if (own === undefined) return { reason: 'expectation_missing' };
  if (own === 'ambiguous') return { reason: 'expectation_ambiguous' };
  const refused = unexpected(bearer, Object.entries(own), replica);
  return refused && { ...refused, withheld: true };
}

function conditionOnSubjectRefused(bearer: Bearer, stream: Stream, replica: Replica): Refused | undefined {
  const { condition } = stream;
  for (const attribute of condition?.attributes ?? []) {
    if (replica.valueOf(bearer.subject, attribute) === undefined) return { reason: 'attribute_missing', attribute };
  }
  return condition?.readsReading === false ? conditionRefused(bearer, stream, replica) : undefined;
}
