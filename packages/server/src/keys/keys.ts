/**
 * Where the authority's private keys live, behind one small interface.
 * - A key never leaves its keeper; what leaves is a signature.
 * - A key file is 0600, is written whole or not at all, and is never overwritten.
 * Refuses to know: what is signed, and for whom.
 */
import type { SignatureMaker } from '../pki/pki.ts';

export { fileKeys } from './file-keys.ts';

export interface Signer extends SignatureMaker {
  readonly name: string;
  /** SubjectPublicKeyInfo in DER. */
  readonly publicKey: Buffer;
}

export interface Keys {
  /** @throws {PortcullisError} `key_unusable` where the name is taken */
  create(name: string): Promise<Signer>;
  /** @throws {PortcullisError} `key_unusable` */
  open(name: string): Promise<Signer>;
}
