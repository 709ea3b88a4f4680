/**
 * What anybody may cost, whatever is asked and of whom: bytes and pieces of a body, how often, and whose share an address is of.
 * - Nothing here grows with what a peer chooses to send.
 * Refuses to know: who is admitted, and what is answered.
 */
export { addressGroup } from './address-group.ts';
export { Buckets } from './buckets.ts';
export { type BodyRefused, type Budget, GrowingBody, piecesMax } from './growing-body.ts';
export { isLongBody, throwAwayBody } from './thrown-away.ts';
