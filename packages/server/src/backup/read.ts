import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PortcullisError } from '@portcullis/contract';
import { createInPieces } from '../telemetry/telemetry.ts';
import { damaged, type Manifest, manifestBytesMax, manifestName, parseManifest } from './manifest.ts';
import { end, headerBytes, type Member, memberOf, paddingOf } from './tar.ts';

export interface Whole {
  manifest: Manifest;
  /** Of the whole file, in hex. */
  sha256: string;
}

const chunkBytes = 1024 * 1024;

export interface Into {
  directory: string;
  makeFolder(path: string): void;
}

/**
 * Reads all of a backup and holds every byte against what its first member says. `into`: where its members are put, each on disk once this
 * resolves; what was put there before something was found wrong is the caller's to remove.
 * @throws {PortcullisError} `backup_damaged`, which names the member; `file_unusable`
 */
export async function readBackup(file: string, into?: Into): Promise<Whole> {
  const handle = await opened(file);
  try {
    return await new BackupReader(file, handle).all(into);
  } finally {
    await handle.close();
  }
}

async function opened(file: string): Promise<FileHandle> {
  try {
    const handle = await open(file, 'r');
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
  } catch (cause) {
    throw new PortcullisError('file_unusable', `"${file}" can not be read: ${(cause as Error).message}`, { cause });
  }
  throw new PortcullisError('file_unusable', `"${file}" is no file`);
}

class BackupReader {
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #whole: Hash = createHash('sha256');

  constructor(file: string, handle: FileHandle) {
    this.#file = file;
    this.#handle = handle;
  }

  async all(into: Into | undefined): Promise<Whole> {
    const manifest = await this.#manifest();
    for (const expected of manifest.members) await this.#member(expected, into);
    if (!(await this.#bytes(end.length, 'its end')).equals(end)) throw this.#wrong('has more in it than it says');
    const { bytesRead } = await this.#handle.read(Buffer.alloc(1), 0, 1);
    if (bytesRead > 0) throw this.#wrong('has bytes after its end');
    return { manifest, sha256: this.#whole.digest('hex') };
  }

  async #manifest(): Promise<Manifest> {
    const { name, bytes } = await this.#header(manifestName);
    if (name !== manifestName || bytes > manifestBytesMax) throw this.#wrong('is no backup of a fleet');
    const text = (await this.#bytes(bytes, manifestName)).toString('utf8');
    await this.#padding(bytes, manifestName);
    return parseManifest(this.#file, text);
  }

  async #member(expected: Manifest['members'][number], into: Into | undefined): Promise<void> {
    const { name, bytes, sha256 } = expected;
    const found = await this.#header(name);
    if (found.name !== name || found.bytes !== bytes) {
      throw this.#wrong(`is altered: "${found.name}" (${found.bytes} bytes) stands where "${name}" (${bytes}) should`);
    }
    const hash = createHash('sha256');
    const pass = async (take?: (piece: Uint8Array) => Promise<void>) => {
      for (let left = bytes; left > 0; ) {
        const chunk = await this.#bytes(Math.min(left, chunkBytes), name);
        hash.update(chunk);
        await take?.(chunk);
        left -= chunk.length;
      }
    };
    if (into === undefined) await pass();
    else await createInPieces(placeOf(name, into), pass);
    if (hash.digest('hex') !== sha256) throw this.#wrong(`is altered: "${name}" is not what was put into it`);
    await this.#padding(bytes, name);
  }

  async #header(name: string): Promise<Member> {
    const member = memberOf(await this.#bytes(headerBytes, name));
    if (member === 'damaged') throw this.#wrong(`is altered in front of "${name}", or no backup of a fleet`);
    if (member === undefined) throw this.#wrong(`ends before "${name}"`);
    return member;
  }

  async #padding(bytes: number, name: string): Promise<void> {
    const padding = paddingOf(bytes);
    if (!(await this.#bytes(padding.length, name)).equals(padding)) throw this.#wrong(`is altered after "${name}"`);
  }

  async #bytes(count: number, name: string): Promise<Buffer> {
    const buffer = Buffer.alloc(count);
    for (let filled = 0; filled < count; ) {
      const { bytesRead } = await this.#handle.read(buffer, filled, count - filled);
      if (bytesRead === 0) throw this.#wrong(`is cut off within "${name}"`);
      filled += bytesRead;
    }
    this.#whole.update(buffer);
    return buffer;
  }

  #wrong(why: string): PortcullisError {
    return damaged(this.#file, why);
  }
}

function placeOf(name: string, { directory, makeFolder }: Into): string {
  const place = join(directory, name);
  makeFolder(dirname(place));
  return place;
}
