/** The tables of `publication/`. */
// biome-ignore lint/complexity/noBannedTypes: it has none yet
export type PublicationTables = {};

export const publicationTables = '';
