/**
 * What the authority tells gates, and when it may say that all of them know.
 * - Snapshot, then changes in order, then live with a beat at least each second; the journal's cursor gives the order, a
 *   wake-up only wakes.
 * - A receipt is true (P7): every gate has applied the change, or has no valid lease.
 * - Who is behind on another history is refused (`revision_regressed`).
 * Refuses to know: what gates expect, and how messages travel.
 */
export { coverLeases } from './horizon.ts';
export { openFeed } from './open.ts';
export type { Feed, RulesToTell } from './promises.ts';
