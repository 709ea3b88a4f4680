/**
 * The device's side: a key that never leaves, a server that is verified before a byte is sent, an outbox that loses nothing.
 * - A reading is durable before `send` resolves, and leaves the outbox only when a gate has acknowledged it (P8).
 * - No option turns verification off (P2).
 * - The credential is renewed by itself, at the time that the authority chose.
 */
export { certificateIn } from './credential/chain.ts';
export {
  beforeRenewal,
  type Credential,
  credentialFileIn,
  readCredential,
  writeCredential,
} from './credential/credential.ts';
export { enrol, requireOwn } from './credential/enrol.ts';
export { exportCredential } from './credential/export.ts';
export { KnownTime } from './credential/known-time.ts';
export { type Proof, prove } from './credential/prove.ts';
export { confirm, findGates, isUnknown, renew, renewAgain } from './credential/renew.ts';
export { algorithmOfKey, makeKey, makeRequest } from './credential/request.ts';
export { tokenFrom } from './credential/token-word.ts';
export { diskFailure, makeDirectory, removeDirectories } from './durable.ts';
export { BackOff, paces } from './link/back-off.ts';
export { type Network, realNetwork } from './link/dial.ts';
export { exchange, parseAnswer, problemOf } from './link/exchange.ts';
export { Link, type LinkAnswer, type LinkRequest, type Trust } from './link/link.ts';
export { Spare, without } from './link/spare.ts';
export { holdDirectory, type Lock } from './lock.ts';
export { GateChoice } from './outbox/gate-choice.ts';
export { type OutboxBounds, outboxBounds } from './outbox/outbox.ts';
export type { Acknowledged, Refusal } from './outbox/sender.ts';
export type { Heard, Told, Way } from './outbox/way.ts';
export { Device, type DeviceOptions } from './sending-device.ts';
export { jittered, realSystem, type System } from './system.ts';
export { HttpsWay } from './ways/https-way.ts';
