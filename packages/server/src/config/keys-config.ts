import { z } from 'zod';

const SecretFile = z.string().min(1).max(4_096);

/** How the authority's private keys are kept; without it in files of their own, 0600. */
export const KeysConfig = z.strictObject({
  /** The file with the passphrase of the key files, mode 600: one line. Or `credential:NAME`: what systemd has loaded under this name. Left out: the key files are not encrypted. */
  passphraseFile: SecretFile.optional(),
});
export type KeysConfig = z.infer<typeof KeysConfig>;
