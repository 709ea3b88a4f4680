import { join } from 'node:path';
import { makeDirectory, replaceFile } from '../durable.ts';
import type { Credential } from './credential.ts';

/** Writes exactly `cert.pem` (leaf, then issuer), `key.pem` and `root.pem`, for tools that read PEM files. A key in a TPM is in its own file. */
export function exportCredential(credential: Credential, directory: string): string[] {
  makeDirectory(directory);
  const files = {
    'cert.pem': credential.certificate + credential.issuer,
    ...(credential.keyFile === undefined && { 'key.pem': credential.key }),
    'root.pem': credential.roots,
  };
  return Object.entries(files).map(([name, content]) => {
    const file = join(directory, name);
    replaceFile(file, content);
    return file;
  });
}
