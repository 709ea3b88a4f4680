/**
 * The strict client alone: a credential file and requests to a server that is verified before a byte is sent (P2). For programs that
 * ask and neither enrol nor send readings.
 */

export { failureJson, failureOf } from './commands/failure.ts';
export { type Credential, readCredential } from './credential/credential.ts';
export { exchange, parseAnswer, problemOf } from './link/exchange.ts';
export { Link, type LinkAnswer } from './link/link.ts';
export { Spare, without } from './link/spare.ts';
