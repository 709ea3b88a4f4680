/**
 * The device's side: a key that never leaves, a server that is verified before a byte is sent, an outbox that loses nothing.
 * - A reading is durable before `send` resolves, and leaves the outbox only when a gate has acknowledged it (P8).
 * - No option turns verification off (P2).
 * - The credential is renewed by itself, at the time that the authority chose.
 */
export { type Credential, credentialFileIn, readCredential, writeCredential } from './credential.ts';
export { enrol, requireOwn } from './enrol.ts';
export { exchange, parseAnswer, problemOf } from './exchange.ts';
export { exportCredential } from './export.ts';
export { Link, type LinkAnswer, type LinkRequest, type Trust } from './link.ts';
export { type OutboxBounds, outboxBounds } from './outbox.ts';
export { type Proof, prove } from './prove.ts';
export { confirm, renew } from './renew.ts';
export { makeKey, makeRequest } from './request.ts';
export type { Refusal } from './sender.ts';
export { Device, type DeviceOptions } from './sending-device.ts';
export { realSystem, type System } from './system.ts';
