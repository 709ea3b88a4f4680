import { z } from 'zod';
import { AttributeName, AttributeValue } from './attributes.ts';
import { FailureCode } from './errors.ts';
import { Revision, SubjectId } from './identity.ts';

/** `GET /v1/selections?where=EXPRESSION`: which subjects an expression in CEL is true of. */
export const SelectionQuery = z.strictObject({ where: z.string().min(1).max(2_000) });

export const selectedPerLineMax = 1_000;
/** The lines of its answer (NDJSON): how far it is, whom it found, and at the end what they were found at. */
export const SelectionLine = z.discriminatedUnion('type', [
  z.object({ type: z.literal('progress'), looked: z.int().nonnegative() }),
  z.object({ type: z.literal('subjects'), subjects: z.array(SubjectId).max(selectedPerLineMax) }),
  z.object({
    type: z.literal('selected'),
    /** All of it was read at this revision. */
    revision: Revision,
    looked: z.int().nonnegative(),
    /** Of so many the expression could not be evaluated: none of them is selected. */
    undecided: z.int().nonnegative(),
    /** One of them, and why. */
    example: z.object({ subject: SubjectId, why: z.string() }).nullable(),
  }),
  z.object({ type: z.literal('failed'), code: FailureCode, detail: z.string() }),
]);
export type SelectionLine = z.infer<typeof SelectionLine>;

export const triedPerRequestMax = 500;
/** What is tried: values that would be set (`null`: unset), or that the certificates would not be valid any more. */
const Trial = z.union([
  z.strictObject({ values: z.record(AttributeName, AttributeValue.nullable()) }),
  z.strictObject({ standing: z.enum(['suspended', 'revoked']) }),
]);
export type Trial = z.infer<typeof Trial>;
/** `GET /v1/trials?subjects=a,b&trial=JSON` of a gate. */
export const TrialQuery = z.strictObject({
  subjects: z
    .string()
    .max(8_000)
    .transform((text) => text.split(','))
    .pipe(z.array(SubjectId).max(triedPerRequestMax)),
  trial: z
    .string()
    .max(8_000)
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown;
      } catch {
        context.addIssue({ code: 'custom', message: 'must be JSON' });
        return z.NEVER;
      }
    })
    .pipe(Trial),
});
/** How many of their open connections this gate would close. */
export const TrialAnswer = z.object({ gate: SubjectId, revision: Revision, connections: z.int().nonnegative() });
