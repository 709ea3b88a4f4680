import { makeKey, makeRequest } from '@portcullis/device';
import { timestamp } from '../telemetry/telemetry.ts';
import type { Rooms } from './route.ts';
import type { ServerIdentity } from './server.ts';

/** A far end is looked at again each minute (FIELD-NOTES K4). */
const lookMsMax = 60_000;
const retryMs = 10_000;

/** The authority's own server certificate: a day long, a fresh key each time, renewed by itself. */
export class OwnCertificate {
  readonly #rooms: Rooms;
  /** Milliseconds since 1970; 0 before there is one. */
  notAfter = 0;
  #renewAfter = 0;
  #notBefore = 0;
  #timer: NodeJS.Timeout | undefined;
  #swap: ((identity: ServerIdentity) => void) | undefined;

  constructor(rooms: Rooms) {
    this.#rooms = rooms;
  }

  async obtain(): Promise<ServerIdentity> {
    const { issuance, journal, hosts } = this.#rooms;
    const key = makeKey(issuance.keysOf('authority'));
    const request = makeRequest(key, 'authority');
    const signed = await issuance.issue(
      await issuance.check({ subject: 'authority', kind: 'authority', request, hosts }),
    );
    const entry = {
      actor: 'authority',
      action: 'certificates.server',
      body: { fingerprint: signed.fingerprint, hosts },
    };
    await journal.note(entry, (db) => issuance.recordOwn(db, signed, 'authority'));
    this.#renewAfter = issuance.renewAfter(signed);
    this.notAfter = signed.notAfter;
    this.#notBefore = signed.notBefore;
    this.#warnOfEnds();
    return { key, certificate: signed.pem + signed.issuerPem };
  }

  keep(swap: (identity: ServerIdentity) => void): void {
    this.#swap = swap;
    clearTimeout(this.#timer);
    const leftMs = this.#renewAfter - this.#rooms.system.now();
    const look = () => (leftMs > lookMsMax && !this.#isToCome ? this.keep(swap) : void this.#renew(swap));
    this.#timer = setTimeout(look, Math.min(Math.max(leftMs, 0), lookMsMax)).unref();
  }

  /** The clock was ahead when it was made, and was put back. Of an issuer that is to come itself there is another one each minute. */
  get #isToCome(): boolean {
    return this.#rooms.system.now() < this.#notBefore;
  }

  stop(): void {
    this.#swap = undefined;
    clearTimeout(this.#timer);
  }

  renewNow(): void {
    this.#renewAfter = 0;
    if (this.#swap) this.keep(this.#swap);
  }

  /** Each day, from a year ahead: nothing that an issuer signed outlives it. */
  #warnOfEnds(): void {
    const { issuance, system, log } = this.#rooms;
    for (const { name: issuer, notAfter } of issuance.ends()) {
      if (notAfter - system.now() > issuance.lifetimes.endsSoonMs) continue;
      log.warn(
        { issuer, notAfter: timestamp(notAfter) },
        'the issuer ends within a year, and with it all that it signed',
      );
    }
  }

  async #renew(swap: (identity: ServerIdentity) => void): Promise<void> {
    try {
      const next = await this.obtain();
      if (!this.#swap) return;
      swap(next);
    } catch (error) {
      this.#rooms.log.error({ err: error }, "couldn't renew the authority's own certificate; trying again");
      this.#renewAfter = this.#rooms.system.now() + retryMs;
    }
    if (this.#swap) this.keep(swap);
  }
}
