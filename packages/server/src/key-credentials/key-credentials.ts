/**
 * Keys that sensors share with the authority, for those that can do no X.509 (RFC 8613).
 * - One is a credential like a certificate: a row by its fingerprint, with a standing, a beginning and an end. What cuts the one cuts the other.
 * - The master secret is told once, to whoever made it; it is kept sealed, and no more once its credential is final.
 * - A gate is given what one context needs, and only while the credential is valid: never the secret, and no context that another gate made.
 * - A key id is used once, so that what is called by it is one thing.
 * Refuses to know: datagrams, sequence numbers, and what a gate does with a context.
 */
export { openKeyCredentials } from './open.ts';
export type { KeyCredentials } from './promises.ts';
