import { z } from 'zod';
import { Fingerprint, SubjectId, Timestamp } from './identity.ts';
import { oneOf } from './one-of.ts';
import { ReasonCode } from './reasons.ts';

/** `GET /v1/readings/refused`: a message that was acknowledged and will never be stored, as it came, and why (P8). */
export const RefusedReadingView = z.object({
  at: Timestamp,
  gate: SubjectId,
  subject: SubjectId,
  certificate: Fingerprint,
  /** Where it was sent. */
  topic: z.string(),
  /** Of the topic; null: it names none. */
  stream: z.string().nullable(),
  id: z.string().nullable(),
  reason: ReasonCode,
  /** What its device was told. */
  told: z.string(),
  contentType: z.string().nullable(),
  bytes: z.int().nonnegative(),
  /** How `payload` is written: as it is, or in base64 where it is no UTF-8. */
  encoding: oneOf(['utf8', 'base64']),
  payload: z.string(),
});
export type RefusedReadingView = z.infer<typeof RefusedReadingView>;

/** A page of them, oldest first. `next` is null at the end. */
export const RefusedReadings = z.object({ items: z.array(RefusedReadingView), next: z.string().nullable() });
export type RefusedReadings = z.infer<typeof RefusedReadings>;
