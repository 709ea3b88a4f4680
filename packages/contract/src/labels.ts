import { z } from 'zod';
import { FleetName, SubjectId } from './identity.ts';
import { JoseAlgorithm } from './key-algorithms.ts';

/** The type in the header of what a label certificate signed (RFC 7515 §4.1.9). */
export const labelStatementType = 'portcullis-label+jwt';

/** `x5c`: the label certificate and who issued it, in DER, base64 (RFC 7515 §4.1.6). */
export const LabelStatementHeader = z.object({
  alg: JoseAlgorithm,
  typ: z.literal(labelStatementType),
  x5c: z.array(z.string().max(16_384)).length(2),
  crit: z.undefined().optional(),
});

/** What a label says, whatever box it is on: this shipment was made by this fleet, then; and what it is called in trade. */
export const LabelStatement = z.object({
  iss: FleetName,
  sub: SubjectId,
  /** Seconds since 1970 (RFC 7519 §4.1.6). */
  iat: z.int().nonnegative(),
  journey: z.string().max(63).optional(),
  gtin: z.string().max(14).optional(),
  serial: z.string().max(20).optional(),
  sscc: z.string().max(18).optional(),
});
export type LabelStatement = z.infer<typeof LabelStatement>;

/** `GET /v1/shipments/{id}/label`. */
export const LabelView = z.object({
  shipment: SubjectId,
  /** A JWS; null: the shipment has a tracker, whose certificate is its own. */
  statement: z.string().nullable(),
});
export type LabelView = z.infer<typeof LabelView>;
