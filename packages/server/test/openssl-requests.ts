/** Requests as OpenSSL writes them: with names, extensions and attributes that our own maker has none of. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { skip } from './factory.ts';

export { skip };

interface Wish {
  /** PKCS#8 PEM; else a fresh one. */
  key?: string;
  /** Of a fresh key: a curve, or `rsa1024`. */
  algorithm?: string;
  subject?: string;
  extensions?: string[];
  challengePassword?: string;
  /** A certificate that it signs itself, in place of a request. */
  asCertificate?: boolean;
}

/** In DER. */
export function requestWith({
  key,
  algorithm = 'P-256',
  subject = '/CN=x',
  extensions = [],
  challengePassword,
  asCertificate,
}: Wish): Buffer {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-request-'));
  try {
    const [config, keyFile] = [join(directory, 'conf'), join(directory, 'key.pem')];
    const attributes =
      challengePassword === undefined
        ? []
        : ['attributes = attributes', '[attributes]', `challengePassword = ${challengePassword}`];
    writeFileSync(
      config,
      [
        '[req]',
        'prompt = no',
        'string_mask = utf8only',
        'distinguished_name = name',
        ...attributes,
        '[name]',
        'CN = x',
        '',
      ].join('\n'),
    );
    if (key !== undefined) writeFileSync(keyFile, key);
    const fresh = algorithm.startsWith('rsa')
      ? ['-newkey', `rsa:${algorithm.slice('rsa'.length)}`]
      : ['-newkey', 'ec', '-pkeyopt', `ec_paramgen_curve:${algorithm}`];
    const by = key === undefined ? [...fresh, '-nodes', '-keyout', keyFile] : ['-key', keyFile];
    // With a subject among the words OpenSSL takes no attributes from the file.
    const named = challengePassword === undefined ? ['-subj', subject] : [];
    const added = extensions.flatMap((one) => ['-addext', one]);
    const words = ['req', '-new', ...(asCertificate ? ['-x509'] : []), '-config', config, ...by, ...named, ...added];
    return execFileSync('openssl', [...words, '-outform', 'DER'], { stdio: ['ignore', 'pipe', 'pipe'] });
  } finally {
    rmSync(directory, { recursive: true });
  }
}
