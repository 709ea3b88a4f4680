import { z } from 'zod';
import { Challenge, ConfirmationRequest, ProvenEnrolmentRequest, RenewalRequest } from './enrolment.ts';
import { SubjectId, Timestamp } from './identity.ts';

const signed = { challenge: Challenge };

/** What a desk takes from strangers: what is answered with a signature, since nobody has to trust a desk. */
export const DeskEnrolmentRequest = ProvenEnrolmentRequest;
export const DeskNonceRequest = z.strictObject({});
export const DeskRenewalRequest = RenewalRequest.extend(signed);
export const DeskConfirmationRequest = ConfirmationRequest.extend(signed);
export const DeskGatesRequest = DeskConfirmationRequest;

/** What a desk hands on. `from`: where it came from, as the desk says it: what failed tries are counted by. */
export const relayed = <Asked extends z.ZodType>(asked: Asked) =>
  z.strictObject({ from: z.union([z.ipv4(), z.ipv6()]), asked });

const Count = z.int().nonnegative();
const figures = {
  url: z.url({ protocol: /^https$/ }),
  version: z.string().max(64),
  startedAt: Timestamp,
  /** Open now. */
  connections: Count,
  /** Since its start: what the authority answered. */
  relayed: Count,
  /** What the desk answered by itself: it was busy, or what came was nothing to relay. */
  turnedAway: Count,
};

/** `POST /v1/desk/report`, each few seconds. */
export const DeskReportRequest = z.strictObject(figures);
export type DeskReportRequest = z.infer<typeof DeskReportRequest>;

/** A desk as the authority knows it; null: not heard of since the authority started. */
export const DeskView = z.object({
  desk: SubjectId,
  lastHeardMs: Count.nullable(),
  report: z.object(figures).nullable(),
});
export type DeskView = z.infer<typeof DeskView>;
