/**
 * The process that strangers reach: it takes the TLS of enrolment and renewal off the authority and relays what they ask, and it
 * answers public look-ups from memory.
 * - It holds no issuer key and no private attribute. What it relays is signed end to end; a look-up's answer is its own word, and no older than it says.
 * - Whatever reaches it has a bound: connections and requests, of all and of one address, bytes, and time.
 * - What is nothing to relay costs the authority nothing.
 * Refuses to know: who may have what.
 */
export { openDesk, positionIn } from './open.ts';
export { acceptRestore } from './position.ts';
export type { Desk, DeskSettings } from './promises.ts';
