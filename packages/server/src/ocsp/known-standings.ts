import { endedToldMs, type StandingsMessage } from '@portcullis/contract';
import { type CertificateId, type IssuerHashes, issuerHashes, type StatusHash } from '../pki/pki.ts';
import type { System } from '../telemetry/telemetry.ts';
import { type KnownStanding, StandingIndex } from './standing-index.ts';

/** Where what is known of certificates is found: by issuer and number. */
export interface CertificatePlace {
  issuer: number;
  serial: Buffer;
}

interface Parts {
  system: Pick<System, 'now' | 'monotonic'>;
  /** What was said of it before is not so any more; without one: of all. */
  onChange(certificate?: CertificatePlace): void;
}

class Known {
  readonly issuers: readonly Record<StatusHash, IssuerHashes>[];
  /** SHA-256 of each issuer's certificate. */
  readonly fingerprints: readonly string[];
  readonly index: StandingIndex;

  constructor({ issuers }: Extract<StandingsMessage, { type: 'issuers' }>, keptSince: () => number) {
    this.issuers = issuers.map(({ certificate }) => issuerHashes(Buffer.from(certificate, 'base64')));
    this.fingerprints = issuers.map(({ fingerprint }) => fingerprint);
    this.index = new StandingIndex(keptSince);
  }
}

/** What was told of the standing of certificates, in memory alone. What follows `issuers` is all there is, and in force with the first beat after it. */
export class KnownStandings {
  readonly #parts: Parts;
  #known: Known | undefined;
  #next: Known | undefined;
  #isDistrusted = false;
  #beat: { revision: number; heardAt: number; heardOn: number } | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** @throws {PortcullisError} `request_malformed` where an issuer's certificate is none */
  hear(message: StandingsMessage): void {
    const { now, monotonic } = this.#parts.system;
    if (message.type === 'issuers') this.#next = new Known(message, () => now() - endedToldMs);
    else if (message.type === 'standings') this.#apply(message);
    else {
      this.#takeOver();
      this.#isDistrusted = false;
      this.#beat = { revision: message.revision, heardAt: now(), heardOn: monotonic() };
    }
  }

  #apply({ items }: Extract<StandingsMessage, { type: 'standings' }>): void {
    const known = this.#next ?? this.#known;
    for (const [issuer, hex, reason, changedAt, notAfter] of items) {
      const serial = Buffer.from(hex, 'hex');
      known?.index.put({ issuer, serial, reason: reason ?? undefined, changedAt, notAfter });
      if (!this.#next) this.#parts.onChange({ issuer, serial: withoutZeros(serial) });
    }
  }

  #takeOver(): void {
    if (!this.#next) return;
    this.#known = this.#next;
    this.#next = undefined;
    this.#parts.onChange();
  }

  /** What came of all that there is, and broke off, is for nothing; what was there before it stays, and ages. */
  brokeOff(): void {
    this.#next = undefined;
  }

  /** The authority lacks what was told before: what was revoked by that stays so, and of nothing else it is known how it stands. */
  distrust(): void {
    if (this.#isDistrusted) return;
    this.#isDistrusted = true;
    this.#parts.onChange();
  }

  /** Until the next beat. */
  get isDistrusted(): boolean {
    return this.#isDistrusted;
  }

  /** The issuer that a question names; undefined: none of ours. */
  issuerOf({ hash, issuerNameHash, issuerKeyHash }: CertificateId): number | undefined {
    if (!hash || !this.#known) return undefined;
    const found = this.#known.issuers.findIndex(
      ({ [hash]: { name, key } }) => key.equals(issuerKeyHash) && name.equals(issuerNameHash),
    );
    return found === -1 ? undefined : found;
  }

  /** Fingerprints of the certificates of all issuers. */
  get issuers(): readonly string[] {
    return this.#known?.fingerprints ?? [];
  }

  fingerprintOf(issuer: number): string | undefined {
    return this.#known?.fingerprints[issuer];
  }

  /** Undefined: it was never issued. */
  find({ issuer, serial }: CertificatePlace): KnownStanding | undefined {
    return this.#known?.index.find(issuer, serial);
  }

  /** Of the last beat; undefined: there was none. A machine that slept has not heard meanwhile, whatever its monotonic clock says. */
  get state(): { revision: number; ageMs: number; certificates: number } | undefined {
    if (!this.#beat) return undefined;
    const { now, monotonic } = this.#parts.system;
    const { revision, heardAt, heardOn } = this.#beat;
    const ageMs = Math.round(Math.max(monotonic() - heardOn, now() - heardAt));
    return { revision, ageMs, certificates: this.#known?.index.size ?? 0 };
  }
}

/** As a question spells it. */
function withoutZeros(serial: Buffer): Buffer {
  let from = 0;
  while (from < serial.length - 1 && serial[from] === 0) from++;
  return serial.subarray(from);
}
