/**
 * What anybody may cost, whatever is asked and of whom: connections and handshakes, bytes and pieces of a body, bytes of handshakes that nobody finishes, bytes that are no request, how often; where what we
 * send may go, and programs that we run.
 * - Nobody is kept out by what another address does.
 * - Nothing here grows with what a peer chooses to send.
 * Refuses to know: who is admitted, and what is answered.
 */
export { addressGroup } from './address-group.ts';
export { boundedBody } from './bounded-body.ts';
export { Buckets } from './buckets.ts';
export { type Crowd, Doorway, type DoorwayParts, tooManyWords } from './doorway.ts';
export { type BodyRefused, type Budget, GrowingBody, piecesMax } from './growing-body.ts';
export { guarded } from './guarded.ts';
export { listenFailure } from './listen-failure.ts';
export { answering, isLoopback, mayReach, type Reach, reachable } from './outgoing.ts';
export { listenOnOwn, type OwnAddress } from './own-address.ts';
export { Places } from './places.ts';
export { type BytesRefused, refuseBytes, tellRefusedBytes } from './refused-bytes.ts';
export { runProgram } from './run-program.ts';
export { SharedBytes } from './shared-bytes.ts';
export { isLongBody, type Throwable, takeNoMore, throwAwayBody } from './thrown-away.ts';
export { sessionField } from './tls-session.ts';
export type { UnfinishedBytesTerms } from './unfinished-bytes.ts';
export { answerMs, answerMsOf, boundAnswer } from './unread-answer.ts';
