import { resolve } from 'node:path';
import { PortcullisError } from '@portcullis/contract';
import { readTextFile } from '../config/config.ts';
import { broughtRoot, makeFleet } from '../issuance/issuance.ts';
import { broughtKey, readSecret } from '../keys/keys.ts';
import { realSystem } from '../telemetry/telemetry.ts';
import { makeFleetDirectory, type WantedFleet } from './fleet-directory.ts';
import { madeWords } from './made-words.ts';
import type { Output } from './output.ts';
import { requireTaken } from './trial-handshake.ts';
import { makeWhole } from './whole-directory.ts';

export interface Brought {
  /** Its certificate. */
  importIssuer: string;
  importKey?: string;
  importPassphraseFile?: string;
}

/** A fleet below an authority that there was before it. */
export async function makeBelow(directory: string, made: WantedFleet, brought: Brought, output: Output): Promise<void> {
  const { importIssuer, importKey, importPassphraseFile } = brought;
  if (importKey === undefined) {
    throw new PortcullisError(
      'usage',
      '--import-issuer needs --import-key: the key that signs the issuers of this fleet',
    );
  }
  const passphrase =
    importPassphraseFile === undefined
      ? undefined
      : await readSecret({
          source: resolve(importPassphraseFile),
          directory: resolve(directory),
          credentials: undefined,
        });
  const signer = await broughtKey(importKey, passphrase);
  const { root, warnings } = broughtRoot(readTextFile(importIssuer, false), signer, realSystem.now());
  await makeWhole(directory, (beside) =>
    makeFleetDirectory(beside, made, (parts) => makeFleet({ ...parts, root }), requireTaken),
  );
  for (const warning of warnings) output.notice(`warning: "${root.name}": ${warning}`);
  const keys = `"${root.name}" is its root, and signed its two issuers. Its key was read for that, and is kept nowhere here.`;
  output.result({ fleet: made.fleet, directory, root: root.name, warnings }, madeWords(made.fleet, directory, keys));
}
