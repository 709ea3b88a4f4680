import { resolve } from 'node:path';
import { counted, KeyAlgorithm, PortcullisError } from '@portcullis/contract';
import type { Command } from 'commander';
import type { Keeping } from '../keys/keys.ts';

/** How private keys are to be kept: of whatever command makes some. */
export interface KeepingOptions {
  passphraseFile?: string;
  pkcs11Module?: string;
  pkcs11Token?: string;
  pkcs11PinFile?: string;
}

export function withKeepingOptions(command: Command): Command {
  return command
    .option(
      '--passphrase-file <file>',
      'encrypt the key files: a file with the passphrase, mode 600, or credential:NAME as systemd has loaded it; it is read at each start',
    )
    .option('--pkcs11-module <file>', 'keep the keys in a token: the PKCS#11 module of its maker, which p11-kit loads')
    .option('--pkcs11-token <name>', 'its label, or its serial number')
    .option('--pkcs11-pin-file <file>', 'a file with its PIN, mode 600, or credential:NAME');
}

/** @throws {PortcullisError} `usage` */
export function keyAlgorithm(word: string, { pkcs11Module }: KeepingOptions): KeyAlgorithm {
  const parsed = KeyAlgorithm.safeParse(word);
  if (!parsed.success) throw new PortcullisError('usage', `--keys ${parsed.error.issues[0]?.message}`);
  if (parsed.data === 'p-256' || pkcs11Module === undefined) return parsed.data;
  throw new PortcullisError('usage', `--keys ${word} is not kept in a token; with --pkcs11-module it must be p-256`);
}

/** What is named stays where it is: it is found again from any directory. */
export function keepingOf({ passphraseFile, pkcs11Module, pkcs11Token, pkcs11PinFile }: KeepingOptions): {
  keys?: Keeping;
} {
  const named = [pkcs11Module, pkcs11Token, pkcs11PinFile].filter((word) => word !== undefined);
  if (named.length > 0 && (named.length < 3 || passphraseFile !== undefined)) {
    const why = '--pkcs11-module, --pkcs11-token and --pkcs11-pin-file go together, and not with --passphrase-file';
    throw new PortcullisError('usage', why);
  }
  const placeOf = (source: string) => (source.startsWith('credential:') ? source : resolve(source));
  if (pkcs11Module !== undefined && pkcs11Token !== undefined && pkcs11PinFile !== undefined) {
    const pkcs11 = { module: resolve(pkcs11Module), token: pkcs11Token, pinFile: placeOf(pkcs11PinFile) };
    return { keys: { pkcs11 } };
  }
  return passphraseFile === undefined ? {} : { keys: { passphraseFile: placeOf(passphraseFile) } };
}

const passphraseLengthMin = 8;

/** What protects keys that are made now is no word that is guessed at once. @throws {PortcullisError} `key_unusable` */
export async function requirePassphrase({ keys }: { keys?: Keeping }, directory: string): Promise<void> {
  if (keys === undefined || !('passphraseFile' in keys) || keys.passphraseFile === undefined) return;
  const { readSecret } = await import('../keys/keys.ts');
  const source = keys.passphraseFile;
  const credentials = process.env.CREDENTIALS_DIRECTORY;
  const { length } = [...(await readSecret({ source, directory: resolve(directory), credentials }))];
  if (length >= passphraseLengthMin) return;
  const why = `the passphrase in "${source}" has ${counted(length, 'character')}; it must have ${passphraseLengthMin} or more: openssl rand -base64 32`;
  throw new PortcullisError('key_unusable', why);
}
