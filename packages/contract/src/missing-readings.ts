import { z } from 'zod';
import { SubjectId, Timestamp } from './identity.ts';
import { Sequence, SequenceRun, StreamName } from './readings.ts';

/** Numbers that never came, as its sender counts; `since`: when the first after them did. */
export const MissingRange = z.object({ first: Sequence, last: Sequence, since: Timestamp });
export type MissingRange = z.infer<typeof MissingRange>;

/** One run of a sender's own counting of a stream, at one gate: from the lowest number to the highest every one is stored but the missing. */
export const CountedRunView = z.object({
  gate: SubjectId,
  subject: SubjectId,
  stream: StreamName,
  run: SequenceRun,
  lowest: Sequence,
  highest: Sequence,
  /** When the last of them came. */
  receivedAt: Timestamp,
  missing: z.array(MissingRange),
  /** How many more are missing, longer ago than is kept. */
  forgotten: z.int().nonnegative(),
});
export type CountedRunView = z.infer<typeof CountedRunView>;

/** `GET /v1/readings/missing`, a page. `next` is null at the end. */
export const MissingReadings = z.object({ items: z.array(CountedRunView), next: z.string().nullable() });
export type MissingReadings = z.infer<typeof MissingReadings>;
