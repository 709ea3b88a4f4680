/** The tables of `signals/`. */
// biome-ignore lint/complexity/noBannedTypes: it has none yet
export type SignalsTables = {};

export const signalsTables = '';
