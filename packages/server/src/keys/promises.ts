import type { SignatureMaker } from '../pki/pki.ts';

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
