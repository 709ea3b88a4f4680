/** The key of an authority that there was before the fleet: it signs the fleet's issuers once, is read once, and is kept nowhere. */
import { readFile, stat } from 'node:fs/promises';
import { PortcullisError } from '@portcullis/contract';
import { type BroughtSigner, isEncrypted, keyIn, signerBy, signingKinds } from './signature-of.ts';

const fileBytesMax = 65_536;

/** From a file in PEM, 0600, as OpenSSL writes it, encrypted or not. @throws {PortcullisError} `key_unusable` */
export async function broughtKey(file: string, passphrase: string | undefined): Promise<BroughtSigner> {
  const unusable = (why: string) => new PortcullisError('key_unusable', `key file "${file}" ${why}`);
  const found = await stat(file).catch((cause: NodeJS.ErrnoException) => {
    throw unusable(`can not be read (${cause.code})`);
  });
  if (!found.isFile() || found.size > fileBytesMax) throw unusable(`must be a file of at most ${fileBytesMax} bytes`);
  if ((found.mode & 0o077) !== 0) throw unusable(`has mode ${(found.mode & 0o777).toString(8)}; it must be 600`);
  const pem = await readFile(file, 'utf8');
  const encrypted = isEncrypted(pem);
  if (encrypted && passphrase === undefined) throw unusable('is encrypted; name a file with its passphrase');
  if (!encrypted && passphrase !== undefined)
    throw unusable('is not encrypted, and a passphrase is given: leave it out, or name the key that it is of');
  const key = keyIn(pem, encrypted ? passphrase : undefined);
  if (!key) throw unusable(encrypted ? 'does not open with this passphrase' : 'must hold a private key in PEM');
  const signer = signerBy(key);
  if (!signer) throw unusable(`must be of ${signingKinds}`);
  return signer;
}
