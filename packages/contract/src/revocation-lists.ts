import { z } from 'zod';
import { ReasonText } from './changes.ts';
import { seenByDesk } from './desk.ts';
import { Timestamp } from './identity.ts';
import { oneOf } from './one-of.ts';

const Base64 = z.string().regex(/^[A-Za-z0-9+/]+={0,2}$/, 'must be base64');

/** What a list says of itself. */
export const ListFacts = z.object({
  number: z.int().min(1),
  thisUpdate: Timestamp,
  nextUpdate: Timestamp,
  entries: z.int().min(0),
});

/** An issuer, and its newest list of revoked and suspended certificates (RFC 5280 §5); `list` is null while it has none. */
export const IssuerList = z.object({
  /** The name of its key, and of its files. */
  issuer: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be the name of an issuer'),
  /** The common name in its certificate. */
  name: z.string(),
  role: z.enum(['device', 'infrastructure', 'root']),
  /** DER. */
  certificate: Base64,
  /** `der`: the whole of it. */
  list: ListFacts.extend({ der: Base64 }).nullable(),
});
export type IssuerList = z.infer<typeof IssuerList>;

/** `items` is left out where the mark is the one that is held already: there is nothing new. */
export const RevocationLists = z.object({ mark: z.string(), items: z.array(IssuerList).optional() });
export type RevocationLists = z.infer<typeof RevocationLists>;

export const RevocationListsQuery = z.strictObject({
  held: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits')
    .optional(),
  ...seenByDesk,
  /** The highest number of a list that the desk gave out: those that are made go on after it. */
  number: z.coerce.number().int().positive().optional(),
});

/** `POST /v1/revocation-lists`: a list in DER that was made where the root's key is. */
export const NewListRequest = z.strictObject({ list: Base64.max(98_304), reason: ReasonText.optional() });

export const AddedList = ListFacts.extend({ issuer: IssuerList.shape.issuer });
export type AddedList = z.infer<typeof AddedList>;

/** Why a certificate is not good, as RFC 5280 §5.3.1 numbers it. */
export const reasonNumbers = {
  unspecified: 0,
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  certificateHold: 6,
  privilegeWithdrawn: 9,
  aACompromise: 10,
} as const;

const { certificateHold: _, ...given } = reasonNumbers;

/** Why a certificate is revoked, as verifiers know it (RFC 5280 §5.3.1); a hold is a suspension, which has its own action. With `revoke` alone; left out: unspecified. */
export const RevocationReason = oneOf(Object.keys(given) as (keyof typeof given)[]);
export type RevocationReason = z.infer<typeof RevocationReason>;
