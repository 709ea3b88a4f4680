import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, sign } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type KeyAlgorithm, keyAlgorithmOf, keyAlgorithms, PortcullisError } from '@portcullis/contract';
import { createFile } from '../telemetry/telemetry.ts';
import type { Keys, Signer } from './promises.ts';

const generate = promisify(generateKeyPair);
const signBytes = promisify(sign) as (digest: string | null, data: Uint8Array, key: KeyObject) => Promise<Buffer>;

/** Keys as PKCS#8 PEM files in one directory, 0600. */
export function fileKeys(directory: string): Keys {
  const fileOf = (name: string) => join(directory, `${name}.pem`);
  return {
    async create(name, algorithm = 'p-256') {
      const privateKey = await freshKey(algorithm);
      await writeKey(fileOf(name), privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);
      return signerOf(name, privateKey);
    },
    async open(name) {
      return signerOf(name, await readKey(fileOf(name)));
    },
  };
}

async function freshKey(algorithm: KeyAlgorithm): Promise<KeyObject> {
  const { keyType } = keyAlgorithms[algorithm];
  if (keyType === 'ec') return (await generate('ec', { namedCurve: 'P-256' })).privateKey;
  return (await generate(keyType)).privateKey;
}

/** A crash leaves no half-written key, a power cut takes none away whose certificate is stored, and a key that is there stays. */
async function writeKey(file: string, pem: string): Promise<void> {
  try {
    await createFile(file, pem);
  } catch (cause) {
    throw new PortcullisError('key_unusable', `couldn't write "${file}": it exists or can not be made`, { cause });
  }
}

async function readKey(file: string): Promise<KeyObject> {
  const unusable = (why: string, cause?: unknown) =>
    new PortcullisError('key_unusable', `key file "${file}" ${why}`, { cause });
  const { mode } = await stat(file).catch((cause) => Promise.reject(unusable('can not be read', cause)));
  if ((mode & 0o077) !== 0) throw unusable(`has mode ${(mode & 0o777).toString(8)}; it must be 600`);
  const key = readPem(await readFile(file, 'utf8'));
  if (!key || !keyAlgorithmOf(key)) {
    throw unusable(`must hold a key as PKCS#8 PEM, of one of [${Object.keys(keyAlgorithms).join(', ')}]`);
  }
  return key;
}

function readPem(text: string): KeyObject | undefined {
  try {
    return createPrivateKey(text);
  } catch {
    // The error of the parser could quote the file, which is a secret.
    return undefined;
  }
}

function signerOf(name: string, key: KeyObject): Signer {
  const keyAlgorithm = keyAlgorithmOf(key) as KeyAlgorithm;
  const { signature, digest } = keyAlgorithms[keyAlgorithm];
  return {
    name,
    publicKey: createPublicKey(key).export({ type: 'spki', format: 'der' }),
    keyAlgorithm,
    algorithm: signature,
    sign: (bytes) => signBytes(digest, bytes, key),
  };
}
