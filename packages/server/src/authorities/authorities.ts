/**
 * Machines that may lead beside the first one.
 * - One is approved by the fingerprint of what it asked with, by an operator who has both before him; its key never travels.
 * - What it needs of the fleet is sealed for that key alone. The root's key is never in it.
 * - One that was revoked leads no more; what it holds it has.
 * - One that stands by with another configuration than the fleet is led by does not lead, until that was accepted.
 * Refuses to know: who leads (storage), and how the files get from one machine to the other.
 */
export {
  type Carried,
  hashOf,
  identityFileIn,
  openCarried,
  parseJoinRequest,
  sealCarried,
} from './carried.ts';
export { holderWords, type LedAt, ledAt, ownAddresses } from './led-at.ts';
export { acceptConfig, againstConfig, type ConfigHashes, LedConfig } from './led-config.ts';
export { type Authorities, isAlone, openAuthorities, requireApproved } from './open.ts';
export { type Asked, ask, forget, putSigned, signedFor, trustIn, whoAsk } from './standby-certificates.ts';
