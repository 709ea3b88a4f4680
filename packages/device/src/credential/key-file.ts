import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { PortcullisError } from '@portcullis/contract';
import { isInTpm } from '../link/private-key.ts';

/** A wrapped key has some hundred bytes. */
const bytesMax = 16_384;

/** A key that somebody else made, in a TPM, and its absolute path. It is read, and never written. @throws {PortcullisError} `key_unusable` */
export function readKeyFile(file: string): { key: string; keyFile: string } {
  const key = textOf(file);
  if (isInTpm(key)) return { key, keyFile: resolve(file) };
  const made = 'made by "openssl genpkey -provider tpm2 -provider default" in this order';
  throw unusable(file, `it does not begin with "-----BEGIN TSS2 PRIVATE KEY-----"; it must be a key in a TPM, ${made}`);
}

function textOf(file: string): string {
  try {
    if (statSync(file).size <= bytesMax) return readFileSync(file, 'utf8');
  } catch (cause) {
    throw unusable(file, `it can not be read (${(cause as NodeJS.ErrnoException).code})`, cause);
  }
  throw unusable(file, `it has more than ${bytesMax} bytes`);
}

const unusable = (file: string, why: string, cause?: unknown) =>
  new PortcullisError('key_unusable', `the key file "${file}" can not be used: ${why}`, { cause });
