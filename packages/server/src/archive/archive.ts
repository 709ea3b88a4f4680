/**
 * What ended leaves the tables that everything reads, for tables of its own in the same file.
 * - Nothing that decides reads those: they are for who asks for a certificate or a token by name, and for who descends from what.
 * - It is no change: nothing that is archived could be used, or was known to a gate, so that there is no revision and no entry.
 * - Of each subject the certificate that ends last stays of each standing: what it is, and that it was cut, is still read there.
 * - In steps of some milliseconds, each a transaction: a crash between them leaves the rest for the next round.
 * Refuses to know: who asks for what was archived.
 */
export { openArchive } from './open.ts';
export { Rounds } from './rounds.ts';
