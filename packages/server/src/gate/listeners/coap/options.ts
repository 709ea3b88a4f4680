import { type CoapOption, firstValueOf, optionNumbers } from '../../../oscore/oscore.ts';

/** What the rest of this folder reads of options, and OSCORE does not (RFC 7252 §12.2, RFC 9177 §6.1). */
export const furtherOptions = {
  ifMatch: 1,
  ifNoneMatch: 5,
  uriQuery: 15,
  accept: 17,
  qBlock1: 19,
  qBlock2: 31,
} as const;

/** RFC 7252 §5.4.6. */
const isCritical = (number: number) => number % 2 === 1;

/** The first option that must be refused: critical and not known (RFC 7252 §5.4.1), or more often there than it may be (§5.4.5). */
export function badOption(
  options: readonly CoapOption[],
  known: readonly number[],
  repeatable: readonly number[] = [],
): CoapOption | undefined {
  return options.find(({ number }, index) => {
    const again = options[index - 1]?.number === number && !repeatable.includes(number);
    return isCritical(number) && (again || !known.includes(number));
  });
}

/** RFC 7252 §3.2; undefined: it is not there, or longer than any number here. */
export function uintIn(options: readonly CoapOption[], number: number): number | undefined {
  const value = firstValueOf(options, number);
  if (value === undefined || value.length > 4) return undefined;
  return value.reduce((sum, byte) => sum * 256 + byte, 0);
}

/** How long, in seconds, what is said holds, or how long it is to be waited (RFC 7252 §5.10.5, §5.9.3.4); up to 255. */
export function maxAge(seconds: number): CoapOption {
  return { number: optionNumbers.maxAge, value: seconds === 0 ? Buffer.alloc(0) : Buffer.of(seconds) };
}
