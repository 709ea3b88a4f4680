/**
 * OSCORE (RFC 8613) with AES-CCM-16-64-128 and HKDF SHA-256, and the CoAP messages it protects (RFC 7252 §3).
 * - What it opens came from the holder of the key, as it was sent; what it refuses it says by one of four words.
 * - It never chooses a number: who protects says which, and answers for using each once.
 * - Bytes are read to the last one; each length is bounded by the datagram that holds it.
 * Refuses to know: sockets, clocks, disks, chance, and whose a key is.
 */
export {
  type ContextParts,
  contextFrom,
  deriveContext,
  type MasterParts,
  type SecurityContext,
  wipe,
} from './context.ts';
export { type Datagram, messageTypes, parseDatagram, writeDatagram } from './datagram.ts';
export { type CoapOption, firstValueOf, type Message, optionNumbers, valuesOf } from './message.ts';
export {
  type OpenedRequest,
  openAnswer,
  openRequest,
  type ProtectedRequest,
  protectAnswer,
  protectRequest,
} from './protect.ts';
export { type Protection, protectionOf, unwrapped, wrapped } from './protection.ts';
export type { OscoreRefused } from './refused.ts';
export { ReplayWindow } from './replay-window.ts';
export { SenderNumbers } from './sender-numbers.ts';
