import { isAbsolute } from 'node:path';
import { z } from 'zod';

const SecretFile = z.string().min(1).max(4_096);

/** How the authority's private keys are kept; without it in files of their own, 0600. */
export const KeysConfig = z
  .strictObject({
    /** The file with the passphrase of the key files, mode 600 and outside of this directory: one line. Or `credential:NAME`: what systemd has loaded under this name. Left out: the key files are not encrypted. */
    passphraseFile: SecretFile.optional(),
    /** A token that keeps them, instead of files: by its PKCS#11 module, which p11-kit loads in a process of its own. */
    pkcs11: z
      .strictObject({
        /** The module of the token's maker: an absolute path. */
        module: z.string().max(4_096).refine(isAbsolute, 'must be an absolute path'),
        /** The token's label, or its serial number: it is never known by its slot. */
        token: z.string().min(1).max(32),
        /** The file with the user's PIN, mode 600 and outside of this directory: one line. Or `credential:NAME`. */
        pinFile: SecretFile,
      })
      .optional(),
  })
  .refine(({ passphraseFile, pkcs11 }) => passphraseFile === undefined || pkcs11 === undefined, {
    message: 'is of key files, and "pkcs11" keeps none',
    path: ['passphraseFile'],
  });
export type KeysConfig = z.infer<typeof KeysConfig>;
