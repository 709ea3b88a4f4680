import { z } from 'zod';
import { Revision } from './identity.ts';
import { StreamName } from './readings.ts';

/** The name of a rule, or what stands for one: a source's proof is `proof:SOURCE/NUMBER`. */
export const RuleKey = z.string().regex(/^[a-z0-9][a-z0-9._:/-]{0,126}$/, 'must match [a-z0-9][a-z0-9._:/-]{0,126}');

const Expression = z.string().min(1).max(4_000);

/** A rule on readings as gates are told it: what they evaluate, and nothing of durations or of what follows. */
export const ToldRule = z.object({
  rule: RuleKey,
  /** The change that made it as it is: what an edge was found by. */
  revision: Revision,
  streams: z.array(StreamName).min(1).max(1_000),
  /** CEL over `reading`, `subject` and `attributes`, as a stream's `when`. */
  outside: Expression,
  /** Null: whatever is not outside. Else what is neither stays on the side that it was on. */
  inside: Expression.nullable(),
});
export type ToldRule = z.infer<typeof ToldRule>;

/** All rules, in the place of those told before. */
export const ToldRules = z.object({ revision: Revision, rules: z.array(ToldRule).max(10_000) });
export type ToldRules = z.infer<typeof ToldRules>;
