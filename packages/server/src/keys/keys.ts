/**
 * Where the authority's private keys live, behind one small interface.
 * - A key never leaves its keeper; what leaves is a signature, or what was sealed.
 * - A key file is 0600, is written whole or not at all, and is never overwritten. A key that was to be encrypted and is not is refused.
 * Refuses to know: what is signed, and for whom.
 */
export { broughtKey } from './brought-key.ts';
export { fileKeys } from './file-keys.ts';
export { fileSeal } from './file-seal.ts';
export { checkKeeping, type Keeping, openKeys } from './open.ts';
export type { Keys, Seal, Signer } from './promises.ts';
export { openSealed, sealFor } from './sealed-for.ts';
export { readSecret } from './secret-file.ts';
export type { BroughtSigner } from './signature-of.ts';
