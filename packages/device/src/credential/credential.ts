import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CredentialFile, KeyAlgorithm, PendingKey, PortcullisError } from '@portcullis/contract';
import { readSecretFile, replaceFile } from '../durable.ts';
import { readKeyFile } from './key-file.ts';
import { algorithmOfKey, makeKey } from './request.ts';

export type Credential = CredentialFile;

/** What speaks for it, and, of a key in a TPM, where that is. */
export type KeyHeld = Pick<Credential, 'key' | 'keyFile'>;

/** What a connection is made with. */
export type Pair = Pick<Credential, 'key' | 'certificate' | 'issuer' | 'notAfter'>;

export const pairOf = ({ key, certificate, issuer, notAfter }: Credential): Pair => ({
  ...{ key, certificate, issuer, notAfter },
});

/** The credential with the pair that was in force before a renewal that is not confirmed, where there is one. */
export function beforeRenewal(credential: Credential): Credential {
  const { unconfirmed, previous, ...confirmed } = credential;
  return unconfirmed && previous ? { ...confirmed, ...previous } : credential;
}

export const credentialFileIn = (directory: string) => join(directory, 'credential.json');
const pendingFileIn = (directory: string) => join(directory, 'pending.json');
/** Of a credential that will replace another subject's: that one's renewal may have a pending key too. */
const replacingFileIn = (directory: string) => join(directory, 'pending-replacement.json');

/** @throws {PortcullisError} `credential_unusable`, `key_unusable` */
export function readCredential(file: string): Credential {
  if (!existsSync(file)) {
    throw new PortcullisError('credential_unusable', `there is no credential "${file}"; enrol first`);
  }
  const text = readSecretFile(file);
  const parsed = CredentialFile.safeParse(withKeyFile(parseJson(text)));
  if (parsed.success) return parsed.data;
  // The parser's words could quote the file, which holds a key.
  throw new PortcullisError('credential_unusable', `"${file}" is not a credential; enrol again`);
}

/** One file, replaced whole: key, certificate and trust bundle never disagree (FIELD-NOTES D9). Of a key in a TPM its file is named. */
export function writeCredential(file: string, credential: Credential): void {
  const isKeyOut = (name: string) => name === 'key' && credential.keyFile !== undefined;
  const text = JSON.stringify(credential, (name, value: unknown) => (isKeyOut(name) ? undefined : value), 2);
  replaceFile(file, `${text}\n`);
}

/** The pair before an unconfirmed one has the same key. */
function withKeyFile(read: unknown): unknown {
  const { keyFile, previous, ...rest } = (read ?? {}) as { keyFile?: unknown; previous?: object };
  if (typeof keyFile !== 'string') return read;
  const { key } = readKeyFile(keyFile);
  return { ...rest, key, keyFile, ...(previous && { previous: { ...previous, key } }) };
}

/** The key that waits for its certificate: the one of an earlier try where there is one of this algorithm. */
export function pendingKey(directory: string, algorithm: KeyAlgorithm = 'p-256'): string {
  return keyIn(pendingFileIn(directory), algorithm);
}

/** One was made, and what it was made for did not end: the token is good for this key alone. */
export const hasReplacingKey = (directory: string) => existsSync(replacingFileIn(directory));

export function replacingKey(directory: string, algorithm: KeyAlgorithm): string {
  return keyIn(replacingFileIn(directory), algorithm);
}

/** What is guessed may not be what the authority takes: its refusal says what is (`expected`), and that is tried once. */
export async function withKeyTaken<Result>(
  guessed: KeyAlgorithm,
  work: (algorithm: KeyAlgorithm) => Promise<Result>,
): Promise<Result> {
  try {
    return await work(guessed);
  } catch (error) {
    if (!(error instanceof PortcullisError) || error.code !== 'key_refused') throw error;
    const { expected } = error.detail;
    const taken = KeyAlgorithm.safeParse(Array.isArray(expected) ? expected[0] : undefined);
    if (!taken.success || taken.data === guessed) throw error;
    return work(taken.data);
  }
}

function keyIn(file: string, algorithm: KeyAlgorithm): string {
  if (existsSync(file)) {
    const parsed = PendingKey.safeParse(parseJson(readSecretFile(file)));
    if (parsed.success && algorithmOfKey(parsed.data.key) === algorithm) return parsed.data.key;
  }
  const key = makeKey(algorithm);
  replaceFile(file, `${JSON.stringify({ key })}\n`);
  return key;
}

/** The new credential is on disk before the pending key goes: a crash between the two leaves both, and the next try mends it. */
export function adoptCredential(directory: string, credential: Credential): void {
  writeCredential(credentialFileIn(directory), credential);
  dropPendingKey(directory);
}

export function dropPendingKey(directory: string): void {
  rmSync(pendingFileIn(directory), { force: true });
  rmSync(replacingFileIn(directory), { force: true });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
