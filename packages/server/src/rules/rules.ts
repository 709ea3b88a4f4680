/**
 * Rules on readings: bounds, and what happens to an attribute when they are left for too long.
 * - Gates tell edges; what is between them, durations, budgets and silence are the authority's, and one however many gates there are.
 * - What is known decides, not when it became known: all is found anew from the edges that are kept, ordered by the readings' own time.
 * - Nothing is well because nothing was heard: a gap is not known until readings cover it, or a person decides.
 * - A breach stays on record, and its attribute as it is, until a person acknowledges it with a reason.
 * - An edge is answered once it is durable; told twice it changes nothing. Edges are neither revisions nor entries: what moves an attribute is.
 * Refuses to know: how gates evaluate, what a journey is, whom an alert reaches.
 */
export { problemsOfExpressions } from './check-rule.ts';
export { openRules, type RulesParts } from './open.ts';
export type { Rules } from './promises.ts';
