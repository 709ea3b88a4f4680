import type { KeyAlgorithm } from '@portcullis/contract';
import type { SignatureMaker } from '../pki/pki.ts';

export interface Signer extends SignatureMaker {
  readonly name: string;
  /** Undefined: of a root that was brought, of a kind that no key is made of here. */
  readonly keyAlgorithm: KeyAlgorithm | undefined;
  /** SubjectPublicKeyInfo in DER. */
  readonly publicKey: Buffer;
}

export interface Keys {
  /** Of P-256, unless another algorithm is given. @throws {PortcullisError} `key_unusable` where the name is taken */
  create(name: string, algorithm?: KeyAlgorithm): Promise<Signer>;
  /** @throws {PortcullisError} `key_unusable` */
  open(name: string): Promise<Signer>;
}

/** Keeps secrets that lie in the store from whoever has the store alone. */
export interface Seal {
  /** Makes its key, where there is none. */
  make(): Promise<void>;
  /** `about`: what the secret is of; it opens with the same alone. @throws {PortcullisError} `key_unusable` */
  seal(secret: Uint8Array, about: string): Promise<Buffer>;
  /** @throws {PortcullisError} `key_unusable` */
  open(sealed: Uint8Array, about: string): Promise<Buffer>;
}
