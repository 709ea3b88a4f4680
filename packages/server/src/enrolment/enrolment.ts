/**
 * Who may ask for a certificate: holders of a token, and subjects that renew.
 * - A token is stored as a hash, is used by one key, expires, and every way of not being usable looks the same from outside.
 * - Nobody can lock anybody out: failures are counted for each address, and only what failed is told that they were too many.
 * - Renewal needs the old key; a certificate that is not of valid standing renews nothing (P9).
 * - Every answer is signed by the authority and names what was asked: who carries it can change nothing (`answers.ts`).
 * - The subject's attributes stay as they are.
 * Refuses to know: how requests travel.
 */
export { placesOf } from './credential.ts';
export { openEnrolment } from './open.ts';
export type { Enrolment } from './promises.ts';
export { voidUnusedTokens } from './tokens.ts';
