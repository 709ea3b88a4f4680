/**
 * What monitors say → what is held by it.
 * - A source proves itself before a word of it counts: by certificate, by the signature of each message, or by a token.
 * - Whatever the format, one form comes out; an entry that is bad is refused by itself, and those beside it are taken.
 * - A reaction holds, it does not overwrite: what an operator says meanwhile lies underneath, and comes back when the last hold ends.
 * - Firing cuts at once. That an alert is over is a claim: what ends a hold is a person, its time, or the claim once it settled and,
 *   where the reaction asks for it, a reading proved it.
 * - One delivery is one transaction. The same again, late or in another order, changes nothing or holds more.
 * - What a source may do is bounded by name, value, subject and number; what is beyond is refused, or waits for a person.
 * Refuses to know: how bytes come in, and what gates make of a change.
 */
export {
  type Delivery,
  type SignalAlert,
  type SignalFormat,
  type SignalHeaders,
  signalFormats,
} from './intake/delivery.ts';
export { DeliveryReading } from './intake/delivery-reading.ts';
export { noRoom, openSignalIntake, SignalIntake } from './intake/signal-intake.ts';
export { type Source, type SourceConfig, Sources } from './intake/sources.ts';
export { compileSignals } from './judge.ts';
export { openSignals } from './open.ts';
export type { Proven, Raised, Reactions, Rings, Signals } from './promises.ts';
export { type Proof, proofsOf, requireProvable } from './proofs.ts';
