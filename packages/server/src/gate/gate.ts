/**
 * The ingestion point: judges every reading against its replica and stores what it admits.
 * - It decides only while it holds a lease, and listens only after its first snapshot and its first lease (P5).
 * - No transport lets a reading in over a connection that the registry could not cut (P6).
 * - What it acknowledged is durable (P8); what it can not determine it refuses (P4).
 * Refuses to know: any key of the authority, and the attributes that its policies do not name.
 */
export { acceptRestore } from './following/position.ts';
export { acceptClock } from './following/validity-clock.ts';
export { askRoutes } from './listeners/decide/ask.ts';
export { operatorPaths } from './listeners/http/operators.ts';
export { openGate } from './open.ts';
export { mismatchOf } from './policy/expectations.ts';
export { compilePolicy, type Policy } from './policy/policy.ts';
export type { Gate, GateLimits, GateSettings, Worker } from './promises.ts';
export { acceptPrune } from './recording/retention.ts';
