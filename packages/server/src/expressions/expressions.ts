/**
 * Expressions in CEL (https://cel.dev) over what is on record: a stream's condition, a selection of subjects, what follows from an alert, who gets a certificate.
 * - Read before it is used: what it names is known, what can never be evaluated is refused, and a run is linear in what it is given.
 * - Numbers are exact or refused, and what can not be evaluated never decides in anybody's favour.
 * Refuses to know: where the facts come from, and what follows.
 */
export { type Condition, compileCondition, type Facts } from './condition.ts';
export { compileMapping, type Mapping } from './mapping.ts';
export { compileRequestPolicy, type RequestFacts, type RequestPolicy } from './request-policy.ts';
export { compileSelector, type Selectable, type Selector } from './selector.ts';
