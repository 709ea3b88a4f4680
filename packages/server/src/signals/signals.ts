/**
 * What monitoring says of the fleet, and what follows.
 * - A source proves itself before a word of it counts: by certificate, by the signature of each message, or by a token.
 * - Whatever the format, one form comes out; an entry that is bad is refused by itself, and those beside it are taken.
 * Refuses to know: how bytes come in, and what gates make of a change.
 */
export { type Delivery, type SignalAlert, type SignalFormat, signalFormats } from './intake/delivery.ts';
export { DeliveryReading } from './intake/delivery-reading.ts';
export { type Source, type SourceConfig, Sources } from './intake/sources.ts';
