/** Passphrases and PINs: in a file for its owner alone, or what systemd has loaded for this service; never in the environment itself. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { PortcullisError } from '@portcullis/contract';

const credentialPrefix = 'credential:';
const credentialName = /^[A-Za-z0-9._-]{1,255}$/;
const bytesMax = 1_024;

export interface SecretPlace {
  /** A path, from `directory` if it is relative, and not to what lies in it; or `credential:NAME`. */
  source: string;
  directory: string;
  /** `$CREDENTIALS_DIRECTORY` (systemd.exec(5)); undefined: no systemd gave any. */
  credentials: string | undefined;
}

/** One line, without its end. @throws {PortcullisError} `key_unusable` */
export async function readSecret(place: SecretPlace): Promise<string> {
  const { file, loaded } = fileOf(place);
  // The opening of a named pipe would wait for its other end (open(2)).
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: NodeJS.ErrnoException) => {
    throw unusable(file, `can not be read (${cause.code})`);
  });
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw unusable(file, 'must be a regular file');
    // What systemd loads lies in a directory for this service alone; an access list shows as bits of the group there.
    if (!loaded && (stat.mode & 0o077) !== 0) {
      throw unusable(file, `has mode ${(stat.mode & 0o777).toString(8)}; it must be 600`);
    }
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(bytesMax + 1), 0, bytesMax + 1, 0);
    return lineOf(file, buffer.subarray(0, bytesRead));
  } finally {
    await handle.close();
  }
}

function fileOf({ source, directory, credentials }: SecretPlace): { file: string; loaded: boolean } {
  if (!source.startsWith(credentialPrefix)) {
    const file = resolve(directory, source);
    const way = relative(directory, file);
    if (way.startsWith('..') || isAbsolute(way)) return { file, loaded: false };
    throw unusable(file, `must lie outside of "${directory}": it would be in each copy of that, and in each backup`);
  }
  const name = source.slice(credentialPrefix.length);
  if (!credentialName.test(name) || name.startsWith('.')) {
    throw new PortcullisError(
      'key_unusable',
      `"${source}" names no credential; a name has letters, digits, ".", "_" and "-"`,
    );
  }
  if (credentials === undefined) {
    const why = `no credential "${name}" was loaded: add LoadCredential=${name}:FILE, or LoadCredentialEncrypted=, to the unit`;
    throw new PortcullisError('key_unusable', why);
  }
  return { file: join(credentials, name), loaded: true };
}

function lineOf(file: string, bytes: Buffer): string {
  if (bytes.length > bytesMax) throw unusable(file, `must have at most ${bytesMax} bytes`);
  const line = bytes.toString('utf8').replace(/\r?\n$/, '');
  if (line === '' || /[\r\n\0\ufffd]/.test(line))
    throw unusable(file, 'must hold one line of text, and not an empty one');
  return line;
}

function unusable(file: string, why: string): PortcullisError {
  return new PortcullisError('key_unusable', `the secret file "${file}" ${why}`);
}
