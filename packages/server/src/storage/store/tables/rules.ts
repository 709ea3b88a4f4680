/** The tables of `rules/`. */
// biome-ignore lint/complexity/noBannedTypes: it has none yet
export type RulesTables = {};

export const rulesTables = '';
