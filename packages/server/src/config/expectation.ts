import { AttributeValue } from '@portcullis/contract';
import { z } from 'zod';

const range = z
  .strictObject({ min: z.number().optional(), max: z.number().optional() })
  .refine(({ min, max }) => min !== undefined || max !== undefined, 'must have "min", "max" or both')
  .refine(({ min, max }) => min === undefined || max === undefined || min <= max, '"min" must not be above "max"');
const choice = z.strictObject({ in: z.array(AttributeValue).min(1).max(1_000) });

/** What an attribute must be: a value, a range or a choice. Allow-lists only. */
export const Expectation = z.union([AttributeValue, range, choice]);
export type Expectation = z.infer<typeof Expectation>;
