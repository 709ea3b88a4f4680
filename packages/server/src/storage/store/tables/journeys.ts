/** The tables of `journeys/`. */
// biome-ignore lint/complexity/noBannedTypes: it has none yet
export type JourneysTables = {};

export const journeysTables = '';
