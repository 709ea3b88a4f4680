import { z } from 'zod';
import { Fingerprint, Revision, SubjectId } from './identity.ts';
import { StreamName } from './readings.ts';
import { ReasonCode } from './reasons.ts';

/** A certificate in PEM, or what a proxy makes of it: bounded as a header is. */
export const shownCertificateLengthMax = 12_288;

/** `POST /v1/decide` of a gate: may who holds this certificate send to this stream? */
export const DecideRequest = z.strictObject({
  /** PEM, base64 of DER, or RFC 9440's `:base64:`. A name or a fingerprint is no proof and is not taken. Empty: the peer showed none. */
  certificate: z.string().max(shownCertificateLengthMax),
  stream: StreamName,
});
export type DecideRequest = z.infer<typeof DecideRequest>;

/** What is so at this moment, and of a refusal its code alone. */
export const DecideAnswer = z.discriminatedUnion('verdict', [
  z.object({ verdict: z.literal('admitted') }),
  z.object({ verdict: z.literal('refused'), reason: ReasonCode }),
]);
export type DecideAnswer = z.infer<typeof DecideAnswer>;

const told = { certificate: Fingerprint, subject: SubjectId, revision: Revision };

/**
 * A line of `GET /v1/cuts`. Each line about a certificate is how it stands now, whatever was told before: who hears one twice has lost nothing.
 * Certificates that have expired are not told of: that, the proxy's own handshake sees.
 */
export const CutMessage = z.discriminatedUnion('type', [
  /** A list of all that are cut begins: what is not in it, is not cut. At the beginning, and when the gate got a new snapshot or policy. */
  z.object({ type: z.literal('list'), revision: Revision }),
  z.object({ type: z.literal('cut'), ...told }),
  /** A change touched its subject, and it is admitted. */
  z.object({ type: z.literal('admitted'), ...told }),
  /** The list is complete. */
  z.object({ type: z.literal('complete'), revision: Revision }),
  /** Each second. Without a lease the gate refuses everybody, and so does who heeds it. */
  z.object({ type: z.literal('beat'), revision: Revision, lease: z.boolean() }),
]);
export type CutMessage = z.infer<typeof CutMessage>;

/** The query of `GET /v1/cuts`. */
export const CutsQuery = z.strictObject({
  /** Of this stream; without it: of certificates that no stream admits. */
  stream: StreamName.optional(),
});
export type CutsQuery = z.infer<typeof CutsQuery>;
