/** The key of an authority that there was before the fleet: it signs the fleet's issuers once, is read once, and is kept nowhere. */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { digestOf, keyAlgorithmOf, keyAlgorithms, objectIdentifiers, PortcullisError } from '@portcullis/contract';
import type { SignatureMaker } from '../pki/pki.ts';

const signBytes = promisify(sign) as (digest: string | null, data: Uint8Array, key: KeyObject) => Promise<Buffer>;
const rsaBitsMin = 2_048;
const fileBytesMax = 65_536;

export interface BroughtSigner extends SignatureMaker {
  /** SubjectPublicKeyInfo in DER. */
  readonly publicKey: Buffer;
}

/** From a file in PEM, 0600, as OpenSSL writes it, encrypted or not. @throws {PortcullisError} `key_unusable` */
export async function broughtKey(file: string, passphrase: string | undefined): Promise<BroughtSigner> {
  const unusable = (why: string) => new PortcullisError('key_unusable', `key file "${file}" ${why}`);
  const found = await stat(file).catch((cause: NodeJS.ErrnoException) => {
    throw unusable(`can not be read (${cause.code})`);
  });
  if (!found.isFile() || found.size > fileBytesMax) throw unusable(`must be a file of at most ${fileBytesMax} bytes`);
  if ((found.mode & 0o077) !== 0) throw unusable(`has mode ${(found.mode & 0o777).toString(8)}; it must be 600`);
  const pem = await readFile(file, 'utf8');
  const encrypted = /ENCRYPTED/.test(pem);
  if (encrypted && passphrase === undefined) throw unusable('is encrypted; name a file with its passphrase');
  const key = keyIn(pem, encrypted ? passphrase : undefined);
  if (!key) throw unusable(encrypted ? 'does not open with this passphrase' : 'must hold a private key in PEM');
  const how = signatureOf(key);
  if (!how) throw unusable(`must be of RSA with ${rsaBitsMin} bits or more, P-256, P-384, Ed25519 or ML-DSA`);
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' });
  return { publicKey, algorithm: how.algorithm, sign: (bytes) => signBytes(how.digest, bytes, key) };
}

function keyIn(key: string, passphrase: string | undefined): KeyObject | undefined {
  try {
    return createPrivateKey({ key, ...(passphrase !== undefined && { passphrase }) });
  } catch {
    // The error of the parser could quote the file, which is a secret.
    return undefined;
  }
}

function signatureOf(key: KeyObject): { algorithm: string; digest: string | null } | undefined {
  const name = keyAlgorithmOf(key);
  if (name) return { algorithm: keyAlgorithms[name].signature, digest: digestOf(key) };
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'rsa':
      if (modulusLength < rsaBitsMin) return undefined;
      return { algorithm: objectIdentifiers.sha256WithRsaEncryption, digest: 'sha256' };
    case 'ec':
      if (namedCurve !== 'secp384r1') return undefined;
      return { algorithm: objectIdentifiers.ecdsaWithSha384, digest: 'sha384' };
    case 'ed25519':
      return { algorithm: objectIdentifiers.ed25519, digest: null };
    default:
      return undefined;
  }
}
