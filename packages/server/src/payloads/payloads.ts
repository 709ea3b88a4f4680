/**
 * What small senders write, CBOR and SenML, as the JSON text of one stated mapping (docs/concepts/low-power.md).
 * - A number keeps its value: integers digit for digit, a float as the shortest decimal that is read back as that number.
 * - What has no one way into JSON is refused, and the detail says what it was: nothing is rounded, dropped or guessed.
 * - Depth, lengths and the names that records share are bounded before anything is held for them.
 * Refuses to know: who sent it, on which way, and what a stream expects.
 */
export { type MappedPayload, mapPayload, type PayloadRefused, payloadFormats } from './map-payload.ts';
