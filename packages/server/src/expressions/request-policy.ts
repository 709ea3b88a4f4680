import { type CelInput, celEnv, isCelError, plan } from '@bufbuild/cel';
import type { AttributeValue, Kind } from '@portcullis/contract';
import { anatomyOf } from './anatomy.ts';
import { celValue, parsedExactly } from './condition.ts';
import { namedInRequestPolicy, requireEvaluable } from './expression-types.ts';

/** What a policy sees of who asks for a certificate. */
export interface RequestFacts {
  subject: { id: string; kind: Kind };
  request: {
    /** What proves who asks. */
    way: string;
    /** It came by EST. */
    est: boolean;
    /** Algorithm of the public key. */
    key: string;
    /** Names in the request, none of which is used. */
    names: readonly string[];
    /** How long the certificate would be valid from now on. */
    validSeconds: number;
  };
  /** Those that the subject has, by name. */
  attributes: ReadonlyMap<string, AttributeValue>;
}

export interface RequestPolicy {
  /** The attributes that it names. */
  readonly attributes: readonly string[];
  /** `failed`: it says neither, which never allows. */
  judge(facts: RequestFacts): 'met' | 'not_met' | { failed: string };
}

/**
 * Compiles an expression over `subject`, `request` and attributes as `attributes.NAME`; `has(attributes.NAME)` asks whether there is one. Throws an
 * Error that says what is wrong with it.
 */
export function compileRequestPolicy(text: string): RequestPolicy {
  const parsed = parsedExactly(text);
  const { attributes } = anatomyOf(parsed, { variables: ['subject', 'request', 'attributes'] });
  requireEvaluable(parsed, namedInRequestPolicy);
  const run = plan(celEnv(), parsed);
  return {
    attributes: [...attributes],
    judge({ subject, request, attributes: given }) {
      const values = new Map(given as ReadonlyMap<string, CelInput>);
      const result = run({ subject: celValue(subject), request: celValue(request), attributes: values });
      if (isCelError(result)) return { failed: result.message };
      if (typeof result !== 'boolean') return { failed: 'the expression gives no boolean' };
      return result ? 'met' : 'not_met';
    },
  };
}
