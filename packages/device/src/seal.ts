/**
 * Seals and their acknowledgements as bytes: what a device makes, what a gate reads, and the other way round. Pure: it knows no disk, no
 * network and no clock.
 */
export {
  type AcknowledgementTrust,
  type GateSigner,
  makeAcknowledgement,
  openAcknowledgement,
} from './seal/acknowledgement.ts';
export { algorithmOf, type SealAlgorithm } from './seal/algorithms.ts';
export { messageRefused } from './seal/message.ts';
export {
  bodyOf,
  formOf,
  makeSeal,
  messagesIn,
  type ReadSeal,
  readSeal,
  type Sealed,
  type SealSigner,
  sealNameOf,
} from './seal/seal.ts';
export type { MessageRefused } from './seal/signed-message.ts';
