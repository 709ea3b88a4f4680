import { hash, type KeyObject } from 'node:crypto';
import { type Fingerprint, PortcullisError } from '@portcullis/contract';
import { certificateIn } from '@portcullis/device';
import { Bearer } from '../../connections/bearer.ts';

/** Whoever seals: as it is judged, and the key that its seals are checked with. */
export interface Signer {
  bearer: Bearer;
  key: KeyObject;
}

interface Parts {
  /** The certificate of a fingerprint, in DER, from the authority. */
  leafOf(fingerprint: Fingerprint): Promise<Buffer>;
  monotonic(): number;
}

/** Some fifty megabytes. Of more signers those are asked for again that sealed the longest ago. */
const signersMax = 20_000;
const askingMax = 16;
const waitingMax = 1_000;
/** The authority did not answer: so long it is not asked again. */
const pauseMs = 1_000;

/**
 * The keys of signers, by the fingerprints of their certificates. Whose certificate came with the seal needs no asking: its hash is the
 * fingerprint that the replica has a row of.
 */
export class Signers {
  readonly #parts: Parts;
  readonly #max: number;
  readonly #known = new Map<string, Signer>();
  readonly #asking = new Map<string, Promise<Signer | undefined>>();
  readonly #waiting: (() => void)[] = [];
  #asked = 0;
  #pausedUntil = Number.NEGATIVE_INFINITY;

  constructor(parts: Parts, max = signersMax) {
    this.#parts = parts;
    this.#max = max;
  }

  /** Where its key is here already, or came along. The one who sealed the longest ago stands first. */
  known(thumbprint: Buffer, chain: readonly Buffer[]): Signer | undefined {
    const name = thumbprint.toString('hex');
    const known = this.#known.get(name) ?? this.#learn(thumbprint, chain[0]);
    if (!known) return undefined;
    this.#known.delete(name);
    this.#known.set(name, known);
    return known;
  }

  /** Asks the authority, once however many ask; undefined: it can not be had at the moment. */
  ask(thumbprint: Buffer): Promise<Signer | undefined> {
    const name = thumbprint.toString('hex');
    const begun = this.#asking.get(name);
    if (begun) return begun;
    const full = this.#waiting.length >= waitingMax;
    if (full || this.#parts.monotonic() < this.#pausedUntil) return Promise.resolve(undefined);
    const asking = this.#ask(thumbprint, name as Fingerprint).finally(() => this.#asking.delete(name));
    this.#asking.set(name, asking);
    return asking;
  }

  async #ask(thumbprint: Buffer, fingerprint: Fingerprint): Promise<Signer | undefined> {
    if (this.#asked >= askingMax) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#asked++;
    try {
      return this.#learn(thumbprint, await this.#parts.leafOf(fingerprint));
    } catch (error) {
      if (error instanceof PortcullisError && error.code === 'certificate_unknown') return undefined;
      this.#pausedUntil = this.#parts.monotonic() + pauseMs;
      return undefined;
    } finally {
      this.#asked--;
      this.#waiting.shift()?.();
    }
  }

  /** What came is the certificate of that fingerprint, or nothing: the name of a key credential is the hash of no certificate. */
  #learn(thumbprint: Buffer, der: Buffer | undefined): Signer | undefined {
    const certificate = der && hash('sha256', der, 'buffer').equals(thumbprint) ? certificateIn(der) : undefined;
    if (!certificate) return undefined;
    const signer = { bearer: new Bearer(Buffer.from(thumbprint)), key: certificate.publicKey };
    this.#known.set(signer.bearer.name, signer);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= this.#max) break;
      this.#known.delete(oldest);
    }
    return signer;
  }
}
