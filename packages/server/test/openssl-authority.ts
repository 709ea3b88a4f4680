/** Authorities as OpenSSL makes them. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What an authority says of itself that may sign certificates, and lists of them. */
export const signs = 'keyUsage=critical,keyCertSign,cRLSign';

const keys = {
  rsa: ['-newkey', 'rsa:2048'],
  'p-256': ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  'p-384': ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  ed25519: ['-newkey', 'ed25519'],
} as const;
export type AuthorityKey = keyof typeof keys;
export const authorityKeys = Object.keys(keys) as AuthorityKey[];

export interface Authorities {
  file(name: string): string;
  /** In the directory of all of them; what it printed. */
  openssl(...words: string[]): string;
  /** A certificate and its key, in `NAME.pem` and `NAME.key`. `newKey`: words of OpenSSL for another one. */
  make(
    name: string,
    extensions: string[],
    how?: { key?: AuthorityKey; newKey?: string[]; days?: string; named?: string },
  ): void;
}

export function openAuthorities(after: (end: () => void) => void): Authorities {
  const home = mkdtempSync(join(tmpdir(), 'portcullis-brought-'));
  after(() => rmSync(home, { recursive: true, force: true }));
  const file = (name: string) => join(home, name);
  const openssl = (...words: string[]) =>
    execFileSync('openssl', words, { cwd: home, stdio: 'pipe', encoding: 'utf8' });
  return {
    file,
    openssl,
    make(
      name,
      extensions,
      { key = 'p-256', newKey = keys[key], days = '3700', named = '/C=DE/O=Example AG/CN=Example CA' } = {},
    ) {
      const words = extensions.flatMap((one) => ['-addext', one]);
      const out = ['-nodes', '-keyout', `${name}.key`, '-out', `${name}.pem`];
      openssl('req', '-x509', ...newKey, ...out, '-days', days, '-subj', named, ...words);
      chmodSync(file(`${name}.key`), 0o600);
    },
  };
}
