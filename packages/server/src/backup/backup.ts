/**
 * The one file that an authority comes back from.
 * - It is one committed state of the store, taken while the authority runs and without holding it up, and was read back before it had a name.
 * - What is cut or altered is refused, and the member that is wrong named; nothing of it stays.
 * - What happens after it is shipped, transaction by transaction, and is done again without a gap; where one is, the gates refuse what comes back.
 * - Which keys are in it is chosen and said; the root's never is.
 * Refuses to know: what a row means, and who may restore.
 */
export { type Making, makeBackup } from './make.ts';
export type { Manifest } from './manifest.ts';
export { readBackup, type Whole } from './read.ts';
export { type Replayed, replay } from './replay.ts';
export { openShipping, type Shipping, type ShippingState } from './shipping.ts';
