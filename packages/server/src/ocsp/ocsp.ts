/**
 * Who asks about a certificate by OCSP (RFC 6960) is answered from memory, in the name of the certificate's issuer.
 * - From the moment on that a change is known here, no answer is signed that says what was before it.
 * - Only what is on record is good: a number that was never issued is told as revoked, which every reader takes for a no.
 * - Where the authority lacks what was told before, only what was revoked by that is answered.
 * - Without a word from the authority for too long nothing is signed any more.
 * - What a question costs is bounded: its bytes, the certificates that it names, and how many signatures one address gets.
 * Refuses to know: HTTP, where the facts come from, and whose certificates these are.
 */
export { KnownStandings } from './known-standings.ts';
export { type Delegate, Responder, type StatusAnswered } from './responder.ts';
