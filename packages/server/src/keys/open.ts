import { join } from 'node:path';
import type { System } from '../telemetry/telemetry.ts';
import { fileKeys } from './file-keys.ts';
import { tokenKeys } from './pkcs11/token-keys.ts';
import type { Keys } from './promises.ts';
import { readSecret } from './secret-file.ts';

/** As `keys` of fleet.yaml says it. */
export interface Keeping {
  passphraseFile?: string | undefined;
  pkcs11?: { module: string; token: string; pinFile: string } | undefined;
}

interface Parts {
  /** What relative paths are from: the fleet's, or the root's. */
  directory: string;
  /** Where key files lie, from there. */
  folder?: string;
  keys?: Keeping | undefined;
  system: Pick<System, 'random' | 'monotonic'>;
  /** Where systemd has put what it loaded for this service. */
  credentials: string | undefined;
}

/** The authority's keys, where its configuration keeps them. */
export function openKeys({
  directory,
  folder = 'authority/keys',
  keys = {},
  system,
  credentials,
}: Parts): Keys & AsyncDisposable {
  const secret = (source: string) => () => readSecret({ source, directory, credentials });
  const { passphraseFile, pkcs11 } = keys;
  if (pkcs11) return tokenKeys({ ...pkcs11, pin: secret(pkcs11.pinFile), system });
  const encryption = passphraseFile === undefined ? undefined : { ...system, passphrase: secret(passphraseFile) };
  const files = fileKeys(join(directory, folder), encryption);
  return { ...files, [Symbol.asyncDispose]: async () => undefined };
}

/** That the secret can be read. @throws {PortcullisError} `key_unusable` */
export async function checkKeeping({
  directory,
  keys = {},
  credentials,
}: Omit<Parts, 'system' | 'folder'>): Promise<void> {
  const source = keys.pkcs11?.pinFile ?? keys.passphraseFile;
  if (source !== undefined) await readSecret({ source, directory, credentials });
}
