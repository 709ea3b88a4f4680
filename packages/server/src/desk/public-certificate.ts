import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { PortcullisError } from '@portcullis/contract';
import type { Log } from '../telemetry/telemetry.ts';
import type { Identity } from './front.ts';

interface Files {
  certificate: string;
  key: string;
}

interface Parts {
  files: Files;
  log: Log;
  /** Both files are other ones, and fit. */
  onReplaced(identity: Identity): void;
}

const fileBytesMax = 1024 * 1024;
const othersMask = 0o077;

/**
 * A certificate of a public authority, from files that whoever renews it replaces. Two files are not replaced at once: what does not fit
 * together is not taken, and looked at again.
 */
export class PublicCertificate {
  readonly #parts: Parts;
  #seen: string;
  #said = '';
  #timer: NodeJS.Timeout | undefined;

  private constructor(parts: Parts, seen: string) {
    this.#parts = parts;
    this.#seen = seen;
  }

  /** @throws {PortcullisError} `key_unusable` */
  static async open(parts: Parts): Promise<{ files: PublicCertificate; identity: Identity }> {
    const seen = await stampOf(parts.files);
    return { files: new PublicCertificate(parts, seen), identity: await identityIn(parts.files) };
  }

  keep(everyMs: number): void {
    this.#timer = setInterval(() => void this.look(), everyMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async look(): Promise<void> {
    const { files, log, onReplaced } = this.#parts;
    try {
      const stamp = await stampOf(files);
      if (stamp === this.#seen) return;
      onReplaced(await identityIn(files));
      [this.#seen, this.#said] = [stamp, ''];
      log.info('the public certificate was replaced, and is shown from now on');
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.#said)
        log.warn(
          { err: error },
          'the public certificate was replaced by one that can not be used; the one before is shown',
        );
      this.#said = message;
    }
  }
}

const unusable = (why: string, cause?: unknown) => new PortcullisError('key_unusable', `public: ${why}`, { cause });

/** By what a replaced file differs from the one before. */
async function stampOf({ certificate, key }: Files): Promise<string> {
  const stamps = await Promise.all(
    [certificate, key].map(async (file) => {
      const { ino, mtimeMs, size } = await stat(file).catch((cause: NodeJS.ErrnoException) =>
        Promise.reject(unusable(`couldn't read "${file}": ${cause.code}`, cause)),
      );
      if (size > fileBytesMax) throw unusable(`"${file}" has more than ${fileBytesMax} bytes`);
      return `${ino} ${mtimeMs} ${size}`;
    }),
  );
  return stamps.join(' ');
}

async function identityIn({ certificate: certificateFile, key: keyFile }: Files): Promise<Identity> {
  const { mode } = await stat(keyFile);
  if (process.platform !== 'win32' && (mode & othersMask) !== 0)
    throw unusable(`key file "${keyFile}" has mode ${(mode & 0o777).toString(8)}; it must be 600`);
  const [certificate, key] = await Promise.all([readFile(certificateFile, 'utf8'), readFile(keyFile, 'utf8')]);
  if (!fits(certificate, key)) throw unusable(`"${certificateFile}" is not the certificate of the key in "${keyFile}"`);
  return { certificate, key };
}

/** The leaf comes first. */
function fits(certificate: string, key: string): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  } catch {
    // The error of the parser could quote the file, which is a secret.
    return false;
  }
}
