/**
 * What a gate knows of the fleet: standings and attributes by fingerprint, and its lease.
 * - A change is applied only if it is the next one; anything else asks for a snapshot.
 * - What it does not know, it says it does not know; it never fills a gap by asking.
 * - What ended more than a day ago it forgets: what was renewed takes no room for good. Unknown is refused.
 * - Pure: messages, lookups and clocks are arguments. A certificate with one attribute costs about 120 bytes.
 * Refuses to know: networks, disks, what a stream expects.
 */
export { type Clocks, Lease } from './lease.ts';
export { type CertificateFact, Replica, type Touched } from './state.ts';
