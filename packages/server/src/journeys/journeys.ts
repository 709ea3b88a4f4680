/**
 * Shipments on their way: ordered steps, who may record which, what an arrival does, what an attempt leaves.
 * - No history exists that the journey does not allow (P14): every arrival, declaration and correction is judged by one rule, in the
 *   transaction that records it, by what is true then.
 * - Of two arrivals at once one wins, and the other is judged after it. The same arrival again is answered the same.
 * - Every attempt is kept, with why it was refused. Nothing that was recorded is taken out: corrections stand beside it.
 * - What gates and the public see of a shipment moves in the arrival's own transaction.
 * Refuses to know: certificates and signatures, who is told of an alert, what proves an attribute.
 */
export { openJourneys } from './open.ts';
export type { JourneyParts, Journeys, Recorded, Rings } from './promises.ts';
export { isDelivered, stepsOf } from './shipment.ts';
