import { AttributeName, Kind } from '@portcullis/contract';
import { z } from 'zod';
import { Expectation } from './expectation.ts';

/** Who may carry what others sealed: judged like a sender to a stream, whatever is carried. */
export const Carry = z.strictObject({
  /** The kinds of subjects that may carry. */
  kinds: z.array(Kind).min(1).default(['gateway']),
  /** What each attribute of a carrier must be: a value, `{min, max}` or `{in: [...]}`. */
  expect: z.record(AttributeName, Expectation).default({}),
});

export type CarryInFile = z.infer<typeof Carry>;
