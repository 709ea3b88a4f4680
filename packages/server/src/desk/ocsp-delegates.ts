import { createPrivateKey, sign } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { digestOf, keyAlgorithmOf, keyAlgorithms, type OcspCertificates, PortcullisError } from '@portcullis/contract';
import { makeRequest } from '@portcullis/device';
import type { Delegate } from '../ocsp/ocsp.ts';
import { fromPem, readCertificate, subjectOf } from '../pki/pki.ts';
import type { Log, System } from '../telemetry/telemetry.ts';

interface Parts {
  subject: string;
  makeKey(): string;
  /** `request`: a PKCS#10 in base64. */
  ask(request: string): Promise<OcspCertificates>;
  /** Who signs what is another one now. */
  onChange(): void;
  system: Pick<System, 'now'>;
  log: Log;
}

/** A far end is looked at again each minute (FIELD-NOTES K4). */
const lookMsMax = 60_000;
const retryMs = 5_000;

/** One key, made here, and what each issuer delegates to it; asked for anew when that ends, and when there is an issuer that was never asked. */
export class OcspDelegates {
  readonly #parts: Parts;
  #delegates: ReadonlyMap<string, Delegate> = new Map();
  #issuers: readonly string[] = [];
  /** Some have no key at the authority: those delegate nothing, however often they are asked. */
  #asked: ReadonlySet<string> = new Set();
  #renewAt = 0;
  /** When the last of them begins, and when they were asked for. */
  #begin = 0;
  #askedAt = 0;
  #wake: () => void = () => undefined;
  #said = '';

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** By the fingerprint of the issuer's certificate; undefined: it delegated nothing. */
  of(issuer: string): Delegate | undefined {
    return this.#delegates.get(issuer);
  }

  /** `issuers`: fingerprints of the certificates of all that there are. */
  hear(issuers: readonly string[]): void {
    this.#issuers = issuers;
    this.#wake();
  }

  /** Until the signal ends it. Nobody is asked before it is known who issues. */
  async keep(signal: AbortSignal): Promise<void> {
    const { now } = this.#parts.system;
    while (!signal.aborted) {
      const isNew = this.#issuers.some((issuer) => !this.#asked.has(issuer));
      if (isNew || (this.#issuers.length > 0 && (this.#renewAt <= now() || this.#isToCome))) await this.#ask(signal);
      else await this.#waited(signal);
    }
  }

  /** The clock was ahead when they were made, and was put back. An authority whose clock is ahead is asked again each minute. */
  get #isToCome(): boolean {
    const now = this.#parts.system.now();
    return now < this.#begin && Math.abs(now - this.#askedAt) >= lookMsMax;
  }

  async #waited(signal: AbortSignal): Promise<void> {
    const dueMs = this.#renewAt - this.#parts.system.now();
    const milliseconds = dueMs > 0 ? Math.min(dueMs, lookMsMax) : lookMsMax;
    const woken = Promise.withResolvers<void>();
    this.#wake = woken.resolve;
    const over = new AbortController();
    const passed = pause(milliseconds, undefined, { signal: AbortSignal.any([signal, over.signal]), ref: false });
    await Promise.race([passed.catch(() => undefined), woken.promise]);
    over.abort();
  }

  async #ask(signal: AbortSignal): Promise<void> {
    const { ask, subject, makeKey, onChange, system, log } = this.#parts;
    const issuers = new Set(this.#issuers);
    try {
      const key = makeKey();
      const { items } = await ask(makeRequest(key, subject).toString('base64'));
      // Who delegates nothing more delegated until its own end.
      const before = [...this.#delegates].filter(([, { notAfter }]) => notAfter > system.now());
      this.#delegates = new Map([...before, ...items.map((one) => [one.issuer, delegateBy(key, one)] as const)]);
      const beginnings = [...this.#delegates.values()].map((one) => readCertificate(one.certificate).notBefore);
      this.#begin = Math.max(0, ...beginnings);
      this.#askedAt = system.now();
      this.#asked = issuers;
      onChange();
      this.#said = '';
      const dates = items.map(({ renewAfter }) => Date.parse(renewAfter));
      this.#renewAt = Math.max(Math.min(...dates), system.now() + retryMs);
    } catch (error) {
      const { message } = error as Error;
      if (!signal.aborted && message !== this.#said)
        log.warn({ err: error }, "couldn't get certificates for answers about certificates; trying again");
      this.#said = message;
      await pause(retryMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }
}

function delegateBy(key: string, { certificate: pem, notAfter }: OcspCertificates['items'][number]): Delegate {
  const [certificate] = fromPem('CERTIFICATE', pem);
  const privateKey = createPrivateKey(key);
  const name = keyAlgorithmOf(privateKey);
  if (!certificate || !name) throw new PortcullisError('answer_malformed', 'there is no certificate in the answer');
  const digest = digestOf(privateKey);
  return {
    ...{ name: subjectOf(certificate).name, certificate, notAfter: Date.parse(notAfter) },
    algorithm: keyAlgorithms[name].signature,
    sign: (bytes) => sign(digest, bytes, privateKey),
  };
}
