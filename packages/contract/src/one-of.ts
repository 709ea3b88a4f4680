import { z } from 'zod';

const shownLengthMax = 64;

/** One of a closed list of words. What is none of them is told with the list, in the words of an operator. */
export function oneOf<const Word extends string>(words: readonly Word[]) {
  return z.enum(words, { error: ({ input }) => wordUnknown(input, words) });
}

function wordUnknown(given: unknown, words: readonly string[]): string {
  const allowed = `must be one of [${words.join(', ')}]`;
  if (typeof given !== 'string') return allowed;
  const shown = given.length > shownLengthMax ? `${given.slice(0, shownLengthMax)}…` : given;
  return `${JSON.stringify(shown.toWellFormed())} is unknown; ${allowed}`;
}
