import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FleetName, PublicationCertificate } from '@portcullis/contract';
import { exchange, type Link, makeRequest } from '@portcullis/device';
import { z } from 'zod';
import type { Signing } from '../publication/publication.ts';
import { type Log, replaceFile, type System } from '../telemetry/telemetry.ts';

interface Parts {
  directory: string;
  authority: string;
  subject: string;
  link(): Link;
  makeKey(): string;
  system: Pick<System, 'now'>;
  log: Log;
}

/** A far end is looked at again each minute (FIELD-NOTES K4). */
const lookMsMax = 60_000;
const retryMs = 5_000;

const File = z.object({ ...PublicationCertificate.shape, key: z.string().max(16_384) });
type File = z.infer<typeof File>;

/**
 * What the desk signs public answers with: a key made here, in a file for its owner alone, and a certificate of thirty days. Each renewal has
 * a key of its own. What is lost of it, or can not be read, is made anew: nothing that was signed depends on it.
 */
export class PublicationKey {
  readonly #parts: Parts;
  #held: { signing: Signing; renewAfter: number; notBefore: number; notAfter: number } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #said = '';
  #isDue = false;
  #stopped = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#held = this.#read();
  }

  /** Undefined: there is none yet, or it has ended. */
  get signing(): Signing | undefined {
    return this.#held && this.#held.notAfter > this.#parts.system.now() ? this.#held.signing : undefined;
  }

  /** Now and whenever it is due. */
  async keep(): Promise<void> {
    this.#timer = undefined;
    const now = this.#parts.system.now();
    // The clock was ahead when it was made, and was put back.
    const isToCome = (this.#held?.notBefore ?? 0) > now;
    const leftMs = this.#isDue || isToCome ? 0 : (this.#held?.renewAfter ?? 0) - now;
    const waitMs = leftMs > 0 ? Math.min(leftMs, lookMsMax) : await this.#renew();
    if (!this.#stopped) this.#timer = setTimeout(() => void this.keep(), this.#isDue ? 0 : waitMs).unref();
  }

  /** What is under way may be from before: it is followed by another. */
  renewNow(): void {
    this.#isDue = true;
    if (!this.#timer) return;
    clearTimeout(this.#timer);
    void this.keep();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #renew(): Promise<number> {
    this.#isDue = false;
    try {
      const { authority, subject, link, makeKey } = this.#parts;
      const key = makeKey();
      const request = makeRequest(key, subject).toString('base64');
      const url = `${authority}/v1/publication-certificates`;
      const file: File = { ...(await exchange(link(), url, { request }, PublicationCertificate)), key };
      const held = heldOf(file);
      // A crash before this line leaves the one before; after it, this one.
      await replaceFile(this.#file, JSON.stringify(file));
      this.#held = held;
      this.#said = '';
      return lookMsMax;
    } catch (error) {
      const { message } = error as Error;
      if (!this.#stopped && message !== this.#said)
        this.#parts.log.warn({ err: error }, "couldn't get a certificate for public answers; trying again");
      this.#said = message;
      return retryMs;
    }
  }

  get #file(): string {
    return join(this.#parts.directory, 'publication.json');
  }

  #read() {
    try {
      return heldOf(File.parse(JSON.parse(readFileSync(this.#file, 'utf8'))));
    } catch {
      return undefined;
    }
  }
}

/** @throws where the certificate is not of the key */
function heldOf({ key, certificate, issuer, fleet, renewAfter, notAfter }: File) {
  const [privateKey, leaf] = [createPrivateKey(key), new X509Certificate(certificate)];
  if (!leaf.checkPrivateKey(privateKey)) throw new Error('the certificate is not for the key that was asked for');
  const signing: Signing = {
    fleet: FleetName.parse(fleet),
    key: privateKey,
    chain: [leaf.raw, new X509Certificate(issuer).raw],
  };
  const notBefore = leaf.validFromDate.getTime();
  return { signing, notBefore, renewAfter: Date.parse(renewAfter), notAfter: Date.parse(notAfter) };
}
