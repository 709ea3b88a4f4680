import { KeyAlgorithm, Kind, oneOf } from '@portcullis/contract';
import { z } from 'zod';

const oneOrMore = `must be one or more of [${KeyAlgorithm.options.join(', ')}]`;

const Keys = z
  .union(
    [KeyAlgorithm.transform((one) => [one]), z.array(KeyAlgorithm).min(1, oneOrMore).max(KeyAlgorithm.options.length)],
    {
      error: oneOrMore,
    },
  )
  .refine((keys) => new Set(keys).size === keys.length, 'names one twice');

/** A checkpoint's page makes its key in a browser, which knows P-256 alone. */
const kinds = Kind.exclude(['checkpoint']).options;

/** By kind of subject. */
export const ProfilesSection = z.partialRecord(
  oneOf(kinds),
  z.strictObject({
    /** What its keys are of, one or several. The first is what is made for a new one; no other than these is taken. Left out: as its issuer's own key is made, and whatever is strong enough is taken. */
    keys: Keys.optional(),
    /** How many days after its end a certificate whose standing is valid may still be renewed, so that what was off for long comes back by itself; at 0 it needs a token. Left out: 90. */
    renewableDays: z.int().min(0).max(3_650).optional(),
  }),
);
export type ProfilesSection = z.infer<typeof ProfilesSection>;
