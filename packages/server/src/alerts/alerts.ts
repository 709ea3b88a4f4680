/**
 * What the outside is told of, until it was told.
 * - An alert is written in the transaction that causes it: neither is there without the other.
 * - The same (kind, key) is one alert until it is settled, however often it is raised.
 * - Each target is told at least once, and again after a crash in the middle, under the same message id; what can not be told for a
 *   day becomes a dead letter, which is an alert of its own and can be tried anew.
 * - A target that hangs, refuses or is gone holds up no other target, and no change.
 * - What leaves the machine goes only where its target says, to the address that was checked, and never along a redirect.
 * Refuses to know: what an alert means to who raised it, who may ask.
 */
export { openAlerts } from './open.ts';
export type { Alerts, AlertsRaised, Raised } from './promises.ts';
export { suspectedClone } from './suspected-clone.ts';
export { openTelling, targetsFrom } from './targets.ts';
export { openWatches } from './watches.ts';
