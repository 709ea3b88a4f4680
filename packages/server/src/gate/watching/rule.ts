import type { ToldRule } from '@portcullis/contract';
import { compileCondition, type Facts } from '../../expressions/expressions.ts';

/** Outside, inside, between the two, or not to be said. */
export type SideLetter = 'o' | 'i' | 'b' | '-';

export interface CompiledRule {
  readonly name: string;
  readonly revision: number;
  readonly streams: readonly string[];
  readonly attributes: readonly string[];
  sideOf(facts: Facts): SideLetter;
}

/** Throws an Error that says what is wrong with one of its expressions. */
export function compileRule({ rule, revision, streams, outside, inside }: ToldRule): CompiledRule {
  const isOutside = compiled('outside', outside);
  const isInside = inside === null ? undefined : compiled('inside', inside);
  return {
    ...{ name: rule, revision, streams },
    attributes: [...new Set([...isOutside.attributes, ...(isInside?.attributes ?? [])])],
    sideOf(facts) {
      const found = isOutside.evaluate(facts);
      if (found === 'met') return 'o';
      if (found !== 'not_met') return '-';
      const back = isInside?.evaluate(facts) ?? 'met';
      if (back === 'met') return 'i';
      return back === 'not_met' ? 'b' : '-';
    },
  };
}

function compiled(key: string, text: string): ReturnType<typeof compileCondition> {
  try {
    return compileCondition(text);
  } catch (cause) {
    throw new Error(`${key}: ${(cause as Error).message}`, { cause });
  }
}
