import { KeyAlgorithm, Kind } from '@portcullis/contract';
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

/** By kind of subject. */
export const ProfilesSection = z
  .partialRecord(
    Kind,
    z.strictObject({
      /** What its keys are of, one or several; not for `checkpoint`, whose page knows P-256 alone. The first is what is made for a new one; no other than these is taken. Left out: as its issuer's own key is made, and whatever is strong enough is taken. */
      keys: Keys.optional(),
      /** How many days after its end a certificate whose standing is valid may still be renewed, so that what was off for long comes back by itself; at 0 it needs a token. Left out: 90. */
      renewableDays: z.int().min(0).max(3_650).optional(),
      /** CEL over `subject`, `request` and `attributes`: a client certificate of this kind is given only where it is true, whatever way it is asked for; not for `authority`, which asks nobody. Left out: to whoever may ask. */
      policy: z.string().min(1).max(2_000).optional(),
    }),
  )
  .superRefine(({ checkpoint, authority }, context) => {
    const wrong = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
    if (checkpoint?.keys) wrong(['checkpoint', 'keys'], "must be left out: a checkpoint's page knows p-256 alone");
    if (authority?.policy) wrong(['authority', 'policy'], 'must be left out: the authority asks nobody');
  });
export type ProfilesSection = z.infer<typeof ProfilesSection>;
