import { type CelInput, celEnv, isCelError, plan } from '@bufbuild/cel';
import type { AttributeValue, Kind } from '@portcullis/contract';
import { anatomyOf } from './anatomy.ts';
import { parsedExactly } from './condition.ts';
import { namedInSelection, requireEvaluable } from './expression-types.ts';

/** What an expression that selects can see of a subject. */
export interface Selectable {
  id: string;
  kind: Kind;
  /** Those that it has, by name. */
  attributes: ReadonlyMap<string, AttributeValue>;
}

export interface Selector {
  /** The attributes that it names. */
  readonly attributes: readonly string[];
  /** `failed`: it says neither, for want of an attribute or by the type of one, which never selects. */
  select(subject: Selectable): 'met' | 'not_met' | { failed: string };
}

function lackingWords(named: ReadonlySet<string>, attributes: Selectable['attributes']): string {
  const lacking = [...named].filter((name) => !attributes.has(name)).map((name) => `"${name}"`);
  return lacking.length === 0 ? '' : ` (it has no ${lacking.join(', ')})`;
}

/**
 * Compiles an expression over `id`, `kind` and attributes by their names (`site == "berlin"`), or as `attributes["cold-chain"]` where a name
 * is no word of CEL. `has(attributes.site)` asks whether there is one. Throws an Error that says what is wrong with it.
 */
export function compileSelector(text: string): Selector {
  const parsed = parsedExactly(text);
  const { attributes: named } = anatomyOf(parsed, { variables: ['id', 'kind', 'attributes'], bareAttributes: true });
  requireEvaluable(parsed, namedInSelection(named));
  const run = plan(celEnv(), parsed);
  return {
    attributes: [...named],
    select({ id, kind, attributes }) {
      const given = attributes as ReadonlyMap<string, CelInput>;
      const result = run({ ...Object.fromEntries(given), id, kind, attributes: new Map(given) });
      if (isCelError(result)) return { failed: `${result.message}${lackingWords(named, attributes)}` };
      if (typeof result !== 'boolean') return { failed: 'the expression gives no boolean' };
      return result ? 'met' : 'not_met';
    },
  };
}
