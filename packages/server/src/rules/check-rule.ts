import { compileCondition } from '../expressions/expressions.ts';

export interface ExpressionProblem {
  path: ('outside' | 'inside')[];
  message: string;
}

/** What is wrong with the expressions of a rule: a gate must be able to evaluate them, and they must look at the reading. */
export function problemsOfExpressions(rule: { outside: string; inside?: string | undefined }): ExpressionProblem[] {
  return (['outside', 'inside'] as const).flatMap((key) => {
    const text = rule[key];
    const message = text === undefined ? undefined : problemOf(text);
    return message === undefined ? [] : [{ path: [key], message }];
  });
}

function problemOf(text: string): string | undefined {
  try {
    if (!compileCondition(text).readsReading) return 'must look at the reading: it would be the same for all of them';
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
