import type { AttributeValue, ReasonCode } from '@portcullis/contract';

/** What a stream requires of one attribute. Allow-lists only: there is no way to say "anything but". */
export type Expectation =
  | AttributeValue
  | { min?: number | undefined; max?: number | undefined }
  | { in: AttributeValue[] };

export type Mismatch = Extract<ReasonCode, 'attribute_missing' | 'attribute_type_mismatch' | 'attribute_not_expected'>;

/** Undefined when the value is what is expected. A value that is missing or of another type never is (FIELD-NOTES C4). */
export function mismatchOf(expected: Expectation, found: AttributeValue | undefined): Mismatch | undefined {
  if (found === undefined) return 'attribute_missing';
  if (typeof expected !== 'object') return compared(typeof expected, found, found === expected);
  if ('in' in expected) {
    const sameType = expected.in.some((allowed) => typeof allowed === typeof found);
    return compared(sameType ? typeof found : 'another', found, expected.in.includes(found));
  }
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = expected;
  return compared('number', found, typeof found === 'number' && found >= min && found <= max);
}

function compared(type: string, found: AttributeValue, equal: boolean): Mismatch | undefined {
  if (typeof found !== type) return 'attribute_type_mismatch';
  return equal ? undefined : 'attribute_not_expected';
}
