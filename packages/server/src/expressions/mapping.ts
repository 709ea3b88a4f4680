import { type CelInput, celEnv, isCelError, plan } from '@bufbuild/cel';
import { anatomyOf } from './anatomy.ts';
import { celValue, parsedExactly } from './condition.ts';
import { namedInMapping, requireGives } from './expression-types.ts';

/** What an expression makes of an alert. */
export interface Mapping<Value> {
  /** `failed`: it gives nothing, for want of a member or by the type of one. */
  of(alert: object): { value: Value } | { failed: string };
}

/** Throws an Error that says what is wrong with it. */
export function compileMapping(text: string, gives: 'bool'): Mapping<boolean>;
export function compileMapping(text: string, gives: 'string'): Mapping<string>;
export function compileMapping(text: string, gives: 'bool' | 'string'): Mapping<boolean | string> {
  const parsed = parsedExactly(text);
  anatomyOf(parsed, { variables: ['alert'] });
  requireGives(parsed, gives, namedInMapping);
  const run = plan(celEnv(), parsed);
  const wanted = gives === 'bool' ? 'boolean' : 'string';
  return {
    of(alert) {
      const result = run({ alert: celValue(alert) as CelInput });
      if (isCelError(result)) return { failed: result.message };
      if (typeof result !== wanted) return { failed: `the expression gives no ${wanted}` };
      return { value: result as boolean | string };
    },
  };
}
