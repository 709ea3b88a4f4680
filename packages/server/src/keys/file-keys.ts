import { generateKeyPair, type KeyObject } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type KeyAlgorithm, keyAlgorithmOf, keyAlgorithms, PortcullisError } from '@portcullis/contract';
import { encryptKey, toPem } from '../pki/pki.ts';
import { createFile, type System } from '../telemetry/telemetry.ts';
import type { Keys, Signer } from './promises.ts';
import { isEncrypted, keyIn, signerBy, signingKinds } from './signature-of.ts';

const generate = promisify(generateKeyPair);

/** What key files are encrypted under. */
export interface Encryption {
  passphrase(): Promise<string>;
  random: System['random'];
}

/** Keys as PKCS#8 PEM files in one directory, 0600: as they are, or encrypted (PBES2 by scrypt; what OpenSSL encrypts otherwise is read too). */
export function fileKeys(directory: string, encryption?: Encryption): Keys {
  const fileOf = (name: string) => join(directory, `${name}.pem`);
  return {
    async create(name, algorithm = 'p-256') {
      const privateKey = await freshKey(algorithm);
      await writeKey(fileOf(name), await pemOf(privateKey, encryption));
      return requireSigner(name, privateKey, fileOf(name));
    },
    async open(name) {
      return requireSigner(name, await readKey(fileOf(name), encryption), fileOf(name));
    },
  };
}

async function freshKey(algorithm: KeyAlgorithm): Promise<KeyObject> {
  const { keyType } = keyAlgorithms[algorithm];
  if (keyType === 'ec') return (await generate('ec', { namedCurve: 'P-256' })).privateKey;
  return (await generate(keyType)).privateKey;
}

async function pemOf(key: KeyObject, encryption: Encryption | undefined): Promise<string> {
  const der = key.export({ type: 'pkcs8', format: 'der' });
  if (!encryption) return toPem('PRIVATE KEY', der);
  return toPem('ENCRYPTED PRIVATE KEY', await encryptKey(der, await encryption.passphrase(), encryption.random));
}

/** A crash leaves no half-written key, a power cut takes none away whose certificate is stored, and a key that is there stays. */
async function writeKey(file: string, pem: string): Promise<void> {
  try {
    await createFile(file, pem);
  } catch (cause) {
    throw new PortcullisError('key_unusable', `couldn't write "${file}": it exists or can not be made`, { cause });
  }
}

async function readKey(file: string, encryption: Encryption | undefined): Promise<KeyObject> {
  const unusable = (why: string, cause?: unknown) => unusableFile(file, why, cause);
  const { mode } = await stat(file).catch((cause) => Promise.reject(unusable('can not be read', cause)));
  if ((mode & 0o077) !== 0) throw unusable(`has mode ${(mode & 0o777).toString(8)}; it must be 600`);
  const pem = await readFile(file, 'utf8');
  const encrypted = isEncrypted(pem);
  if (encrypted && !encryption)
    throw unusable('is encrypted; name its passphrase in "keys.passphraseFile" of fleet.yaml');
  // A key that was to be encrypted and is not may have been read by anybody who read the disk.
  if (!encrypted && encryption) {
    throw unusable('is not encrypted, and "keys.passphraseFile" is given; encrypt it: openssl pkcs8 -topk8 -scrypt');
  }
  const key = keyIn(pem, encrypted ? await encryption?.passphrase() : undefined);
  if (!key && encrypted) throw unusable('does not open: the passphrase is another one, or the file is damaged');
  if (!key) throw unusable('must hold a private key in PEM');
  return key;
}

function requireSigner(name: string, key: KeyObject, file: string): Signer {
  const signer = signerBy(key);
  if (!signer) throw unusableFile(file, `must be of ${signingKinds}`);
  return { name, keyAlgorithm: keyAlgorithmOf(key), ...signer };
}

const unusableFile = (file: string, why: string, cause?: unknown) =>
  new PortcullisError('key_unusable', `key file "${file}" ${why}`, { cause });
