import { z } from 'zod';
import { AttributeName, type AttributeValue, attributeTextLengthMax } from './attributes.ts';
import { Actor } from './changes.ts';
import { Kind, Standing, type SubjectId, subjectIdPattern } from './identity.ts';

/** So many subjects are in one piece of a packed snapshot at the most. */
const packedSubjectsMax = 1_000;
/** One piece has no more bytes than these once it is unpacked; a subject that had more by itself could be neither told nor packed. */
export const packedBytesMax = 64 * 1024 * 1024;

/** A list whose members are looked at one after the other and by nothing else: a fleet of a million has seventeen million of them. */
const listOf = <Member>(isMember: (one: unknown) => boolean, words: string) =>
  z.custom<Member[]>((list) => Array.isArray(list) && list.every(isMember), { error: words, abort: true });

const numberMax = 2 ** 48 - 1;
const isNumber = (one: unknown) => Number.isInteger(one) && (one as number) >= 0 && (one as number) <= numberMax;
const numbers = listOf<number>(isNumber, 'must be whole numbers from 0 to 2^48 - 1');
const someOf = <Member extends string>({ options }: { options: readonly Member[] }) => {
  const known: ReadonlySet<unknown> = new Set(options);
  return listOf<Member>((one) => known.has(one), `must be some of ${options.join(', ')}`);
};
const isId = (one: unknown) => typeof one === 'string' && subjectIdPattern.test(one);
const isValue = (one: unknown) =>
  typeof one === 'string' ? one.length <= attributeTextLengthMax : typeof one === 'boolean' || Number.isFinite(one);
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
    subject: listOf<SubjectId>(isId, `must match ${subjectIdPattern.source}`).refine(
      ({ length }) => length <= packedSubjectsMax,
      `must be ${packedSubjectsMax} at most`,
    ),
    kind: someOf(Kind),
    revision: numbers,
    actors: z.array(Actor),
    attributes: z.array(
      z
        .object({
          name: AttributeName,
          of: numbers,
          value: listOf<AttributeValue>(isValue, 'must be values of attributes'),
          public: listOf<0 | 1>((one) => one === 0 || one === 1, 'must be 0 and 1'),
          ...origins,
        })
        .refine((list) => sameLength(list.of, list.value, list.public, list.revision, list.by, list.at), uneven()),
    ),
    certificates: z
      .object({
        of: numbers,
        /** One after the other, 64 lower-case hex digits each. */
        fingerprints: z.custom<string>(isHex, { error: 'must be lower-case hex digits', abort: true }),
        standing: someOf(Standing),
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

/** Digit by digit: a pattern takes four times as long for so many. */
function isHex(text: unknown): boolean {
  if (typeof text !== 'string') return false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (!((code >= 48 && code <= 57) || (code >= 97 && code <= 102))) return false;
  }
  return true;
}

const sameLength = (first: readonly unknown[], ...others: readonly unknown[][]) =>
  others.every(({ length }) => length === first.length);

function uneven(): string {
  return 'its columns are of different lengths';
}
