import { z } from 'zod';
import { AttributeName, AttributeValue } from './attributes.ts';
import { Actor } from './changes.ts';
import { Kind, Standing, SubjectId } from './identity.ts';

/** So many subjects are in one piece of a packed snapshot at the most. */
export const packedSubjectsMax = 1_000;
/** One piece has no more bytes than these once it is unpacked; a subject that had more by itself could be neither told nor packed. */
export const packedBytesMax = 64 * 1024 * 1024;

const numbers = z.array(
  z
    .int()
    .nonnegative()
    .max(2 ** 48 - 1),
);
const origins = {
  revision: numbers,
  /** Which of `actors`. */
  by: numbers,
  /** Milliseconds since 1970. */
  at: numbers,
};

/**
 * Subjects of a snapshot, column by column: the same that `SnapshotSubject` tells, for a fleet of a million. The members of a list are of one
 * length; `of` names a subject by its place.
 */
export const PackedSubjects = z
  .object({
    subject: z.array(SubjectId).max(packedSubjectsMax),
    kind: z.array(Kind),
    revision: numbers,
    actors: z.array(Actor),
    attributes: z.array(
      z
        .object({
          name: AttributeName,
          of: numbers,
          value: z.array(AttributeValue),
          public: z.array(z.union([z.literal(0), z.literal(1)])),
          ...origins,
        })
        .refine((list) => sameLength(list.of, list.value, list.public, list.revision, list.by, list.at), uneven()),
    ),
    certificates: z
      .object({
        of: numbers,
        /** One after the other, 64 lower-case hex digits each. */
        fingerprints: z.string().regex(/^[0-9a-f]*$/, 'must be lower-case hex digits'),
        standing: z.array(Standing),
        /** Milliseconds since 1970. */
        notBefore: numbers,
        notAfter: numbers,
        ...origins,
      })
      .refine(
        (list) =>
          list.fingerprints.length === 64 * list.of.length &&
          sameLength(list.of, list.standing, list.notBefore, list.notAfter, list.revision, list.by, list.at),
        uneven(),
      ),
  })
  .refine((told) => sameLength(told.subject, told.kind, told.revision), uneven())
  .refine(({ subject, actors, attributes, certificates }) => {
    const lists = [...attributes, certificates];
    const inside = (some: readonly number[], length: number) => some.every((one) => one < length);
    return lists.every(({ of, by }) => inside(of, subject.length) && inside(by, actors.length));
  }, 'names a place that is none');
export type PackedSubjects = z.infer<typeof PackedSubjects>;

const sameLength = (first: readonly unknown[], ...others: readonly unknown[][]) =>
  others.every(({ length }) => length === first.length);

function uneven(): string {
  return 'its columns are of different lengths';
}
