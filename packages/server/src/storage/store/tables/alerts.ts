/** The tables of `alerts/`. */
// biome-ignore lint/complexity/noBannedTypes: it has none yet
export type AlertsTables = {};

export const alertsTables = '';
