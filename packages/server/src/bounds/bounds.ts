/**
 * What anybody may cost, whatever is asked and of whom: bytes and pieces of a body, and of one that nobody wants.
 * - Nothing here grows with what a peer chooses to send.
 * Refuses to know: who is admitted, and what is answered.
 */
export { type BodyRefused, type Budget, GrowingBody, piecesMax } from './growing-body.ts';
export { isLongBody, throwAwayBody } from './thrown-away.ts';
