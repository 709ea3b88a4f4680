/**
 * The process that strangers reach: it takes the TLS of enrolment and renewal off the authority, and relays what they ask.
 * - It holds no issuer key and no attribute, and need not be trusted: requests and answers are signed end to end.
 * - Whatever reaches it has a bound: connections and requests, of all and of one address, bytes, and time.
 * - What is nothing to relay costs the authority nothing.
 * Refuses to know: who may have what.
 */
export { openDesk } from './open.ts';
export type { Desk, DeskSettings } from './promises.ts';
