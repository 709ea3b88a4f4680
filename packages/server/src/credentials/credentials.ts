/**
 * The two certificates of a process that joined a fleet, a gate or a desk: as a client of the authority, and as a server; and how it reaches
 * the authority with them.
 * - Both renew themselves. The client's lies on disk, the server's key lives in memory alone.
 * - A renewed client's pair is used once the authority has taken it, and confirmed after that, which ends the one before it.
 * Refuses to know: who connects, and what is told.
 */
import { createPublicKey, X509Certificate } from 'node:crypto';
import { statSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { type Kind, PortcullisError, ServerCertificate } from '@portcullis/contract';
import {
  algorithmOfKey,
  beforeRenewal,
  type Credential,
  confirm,
  credentialFileIn,
  exchange,
  isUnknown,
  type Link,
  makeKey,
  makeRequest,
  readCredential,
  renew,
  renewAgain,
  Spare,
  writeCredential,
} from '@portcullis/device';
import type { Log, System } from '../telemetry/telemetry.ts';
import { proveToAuthority } from './prove.ts';

export { linkTo } from './link-to.ts';
export { MessageStream } from './message-stream.ts';
export { proveToAuthority } from './prove.ts';

interface Parts {
  /** What the process is. */
  kind: Extract<Kind, 'gate' | 'desk'>;
  directory: string;
  /** Its addresses, where one of several leads; it is asked by the first. */
  authorities: readonly string[];
  system: System;
  log: Log;
  /** Of several processes that share a directory one renews what lies there, and the others take it from there. */
  keptBy?: 'this' | 'another';
  link(): Link;
  /** Its own credential was renewed: links are made anew with it. */
  onRenewed(credential: Credential): void;
}

/** A far end is looked at again each minute: long timers overflow, machines sleep, clocks are set (FIELD-NOTES K4). */
const lookMsMax = 60_000;
const retryMs = 10_000;
/** No renewal brings one back of which the authority says so. */
const final: readonly string[] = ['renewal_refused', 'certificate_unknown'];
/** The pair before it ends with the confirmation of the new one, a moment before that is on disk. */
const seenWithinMs = 250;

/** A server certificate with its issuer and key, and whom it trusts: roots and issuers. All in PEM. */
export interface ServerCertificateHeld {
  key: string;
  certificate: string;
  trust: string;
  renewAfter: number;
  /** The version of the bundle that these are of; undefined: the authority is of an earlier version. */
  bundle?: number | undefined;
}

export class Credentials {
  readonly #parts: Parts;
  readonly #timers = new Map<'client' | 'server', NodeJS.Timeout>();
  /** What is on disk: a renewed pair that is not confirmed has the one before it beside it. */
  #stored: Credential;
  /** The pair that connections are made with. */
  #client: Credential;
  /** What an authority of the first release does not know. */
  readonly #spare = new Spare('bundle');
  #swap: ((held: ServerCertificateHeld) => void) | undefined;
  /** The version of the bundle that its listeners go by too. */
  #bundle: number | undefined;
  #wanted: number | undefined;
  /** Which file it was that another process wrote. */
  #seen = '';
  /** One renewal at a time: each writes what is on disk. */
  #renewing: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#stored = readCredential(credentialFileIn(parts.directory));
    this.#client = inUse(this.#stored, parts.system.now());
    if (this.#client.kind !== parts.kind) {
      throw new PortcullisError(
        'credential_unusable',
        `the credential is one of kind ${this.#client.kind}; it must be of kind ${parts.kind}`,
      );
    }
  }

  get client(): Credential {
    return this.#client;
  }

  /**
   * Before anything else is asked for: a gate that was stopped for long is due, and nobody talks to it once its certificate has expired.
   * One that still holds goes on with it, whatever keeps the renewal from being made.
   * @throws {PortcullisError} `credential_unusable` where it has expired and no renewal can bring it back
   */
  async renewWhenDue(signal: AbortSignal): Promise<void> {
    if (this.#isKeptByAnother) {
      // From now on: it may be renewed while this process is still on its way to listen.
      this.#lookAtKept();
      return this.#untilItHolds(signal);
    }
    while (this.#dueMs() <= 0) {
      try {
        await this.#renewClient();
      } catch (error) {
        const { subject, notAfter } = this.#client;
        if (Date.parse(notAfter) > this.#parts.system.now()) return;
        if (error instanceof PortcullisError && final.includes(error.code))
          throw pastRenewal(this.#parts.kind, this.#client, error);
        this.#parts.log.error(
          { err: error },
          `the certificate of ${subject} expired ${notAfter}; trying again to renew it`,
        );
        await pause(retryMs, undefined, { signal });
      }
    }
  }

  get #isKeptByAnother(): boolean {
    return this.#parts.keptBy === 'another';
  }

  async #untilItHolds(signal: AbortSignal): Promise<void> {
    while (Date.parse(this.#client.notAfter) <= this.#parts.system.now()) {
      await pause(seenWithinMs, undefined, { signal });
    }
  }

  /** What another process has put in place of what was there. */
  #takeKept(): void {
    const file = credentialFileIn(this.#parts.directory);
    const { ino, mtimeMs } = statSync(file);
    if (this.#seen === `${ino} ${mtimeMs}`) return;
    const [stored, held] = [readCredential(file), this.#client];
    this.#seen = `${ino} ${mtimeMs}`;
    // Roots that this one heard of first are on disk a moment later.
    const isNewer = (stored.bundleVersion ?? 0) >= (held.bundleVersion ?? 0);
    const { roots, bundleVersion } = isNewer ? stored : held;
    this.#stored = { ...stored, roots, ...(bundleVersion !== undefined && { bundleVersion }) };
    this.#client = inUse(this.#stored, this.#parts.system.now());
    if (this.#client.certificate === held.certificate && this.#client.roots === held.roots) return;
    this.#parts.onRenewed(this.#client);
  }

  #dueMs(): number {
    const { unconfirmed, renewAfter, certificate } = this.#stored;
    if (unconfirmed) return 0;
    return this.#untilDue({ certificate, due: Date.parse(renewAfter) });
  }

  /** One that begins later by this clock was made while a clock was ahead: there is another one within a minute, and each minute. */
  #untilDue({ certificate, due }: { certificate: string; due: number }): number {
    const now = this.#parts.system.now();
    const isToCome = new X509Certificate(certificate).validFromDate.getTime() > now;
    return isToCome ? Math.min(due - now, lookMsMax) : due - now;
  }

  async #renewClient(): Promise<void> {
    const { directory } = this.#parts;
    const credential = this.#stored;
    if (!credential.unconfirmed) {
      this.#stored = await renew({ credential, directory });
      return;
    }
    try {
      if (this.#client.certificate !== credential.certificate) await this.#prove(credential);
      this.#stored = await confirm({ credential, directory });
      this.#client = this.#stored;
    } catch (error) {
      await this.#comeBack(credential, error);
    }
  }

  /** An authority that was restored, or lost its last changes, does not know the new pair: it is asked anew, by the one before. */
  async #comeBack(credential: Credential, error: unknown): Promise<void> {
    const { directory, system, onRenewed } = this.#parts;
    if (!credential.previous || !(await isUnknown({ credential, directory }))) throw error;
    this.#stored = await renewAgain({ credential, directory });
    if (this.#stored.certificate === credential.certificate) throw error;
    if (this.#client.certificate !== credential.certificate) return;
    this.#client = inUse(this.#stored, system.now());
    onRenewed(this.#client);
  }

  /** @throws {PortcullisError} where the pair before it is better kept in use; one that has ended is not */
  async #prove(credential: Credential): Promise<void> {
    const { authorities, system } = this.#parts;
    if (Date.parse(this.#client.notAfter) > system.now()) await proveToAuthority(credential, authorities);
    this.#client = credential;
    this.#parts.onRenewed(credential);
  }

  /** A fresh one, for what the process is beside a client: of the algorithm that the authority takes from it as one. */
  makeKey(): string {
    return makeKey(algorithmOfKey(this.#client.key));
  }

  /** A fresh key each time: it lives in memory alone. */
  async obtainServer(): Promise<ServerCertificateHeld> {
    const key = this.makeKey();
    const request = makeRequest(key, this.#client.subject).toString('base64');
    const url = `${this.#parts.authorities[0]}/v1/server-certificates`;
    const issued = await this.#spare.ask((lacking) => {
      const body = { request, ...(!lacking.has('bundle') && { bundle: true }) };
      return exchange(this.#parts.link(), url, body, ServerCertificate);
    });
    const leaf = new X509Certificate(issued.certificate);
    if (leaf.publicKey.export({ format: 'pem', type: 'spki' }) !== publicOf(key)) {
      throw new PortcullisError('answer_malformed', 'the server certificate is not for the key that was asked for');
    }
    const certificate = issued.certificate + issued.issuer;
    this.#adopt(issued);
    const { roots, issuers, renewAfter, bundleVersion: bundle } = issued;
    return { key, certificate, trust: roots + issuers, renewAfter: Date.parse(renewAfter), bundle };
  }

  /** At a start: who is told to come later does, as the processes of one gate are that start again together. */
  async obtainFirstServer(signal: AbortSignal): Promise<ServerCertificateHeld> {
    for (;;) {
      try {
        return await this.obtainServer();
      } catch (error) {
        if (!(error instanceof PortcullisError && error.code === 'rate_limited')) throw error;
        this.#parts.log.warn({ err: error }, 'waits for a server certificate');
        await pause(retryMs, undefined, { signal });
      }
    }
  }

  keepServer(held: ServerCertificateHeld, swap: (held: ServerCertificateHeld) => void): void {
    this.#swap = swap;
    this.#bundle = held.bundle;
    const leftMs = () => this.#untilDue({ certificate: held.certificate, due: held.renewAfter });
    this.#at('server', leftMs, () => this.#renewServer());
  }

  async #renewServer(): Promise<void> {
    const next = await this.obtainServer();
    this.#swap?.(next);
    if (this.#swap) this.keepServer(next, this.#swap);
  }

  /** The version of the trust bundle that it goes by, on disk and at its listeners; undefined: it listens to nobody yet. */
  get bundle(): number | undefined {
    return this.#bundle;
  }

  /** The authority says which version there is: another one comes at once, with a server certificate of who signs now. */
  heard(version: number | undefined): void {
    if (version === undefined || !this.#swap || version === this.#bundle || version === this.#wanted) return;
    this.#wanted = version;
    this.#at(
      'server',
      () => 0,
      () => this.#renewServer(),
    );
  }

  /** The roots that the authority is verified by from now on: by the pair in use, and by the renewed one that may wait on disk. */
  #adopt({ roots, bundleVersion }: ServerCertificate): void {
    if (bundleVersion === undefined || bundleVersion === this.#stored.bundleVersion) return;
    const { directory, onRenewed } = this.#parts;
    this.#stored = { ...this.#stored, roots, bundleVersion };
    this.#client = { ...this.#client, roots, bundleVersion };
    // A crash before this line asks again at the next start, by the roots from before.
    if (!this.#isKeptByAnother) writeCredential(credentialFileIn(directory), this.#stored);
    onRenewed(this.#client);
  }

  keepClient(): void {
    if (this.#isKeptByAnother) return;
    const leftMs = () => this.#dueMs();
    this.#at('client', leftMs, async () => {
      await this.#renewClient();
      this.keepClient();
    });
  }

  #lookAtKept(): void {
    if (this.#stopped) return;
    const look = () => {
      try {
        this.#takeKept();
      } catch (error) {
        this.#parts.log.warn({ err: error }, "couldn't read the credential that another process keeps; trying again");
      }
      this.#lookAtKept();
    };
    this.#timers.set('client', setTimeout(look, seenWithinMs).unref());
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }

  /** `left`: for how many milliseconds; it is asked again whenever that is looked at. */
  #at(which: 'client' | 'server', left: () => number, work: () => Promise<void>): void {
    if (this.#stopped) return;
    const leftMs = left();
    const next = () => {
      this.#renewing = this.#renewing.then(() => this.#try(which, work));
    };
    const look = () => (leftMs > lookMsMax ? this.#at(which, left, work) : next());
    clearTimeout(this.#timers.get(which));
    this.#timers.set(which, setTimeout(look, Math.min(Math.max(leftMs, 0), lookMsMax)).unref());
  }

  async #try(which: 'client' | 'server', work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#parts.log.warn({ err: error }, `couldn't renew the ${which} certificate; trying again`);
      this.#at(which, () => retryMs, work);
    }
  }
}

/** The pair before a renewal that is not confirmed, as long as it lasts. */
function inUse(stored: Credential, now: number): Credential {
  const before = beforeRenewal(stored);
  return Date.parse(before.notAfter) > now ? before : stored;
}

function pastRenewal(kind: string, { subject, notAfter }: Credential, cause: PortcullisError): PortcullisError {
  const way = `"portcullis token create ${subject} --kind ${kind}", then "portcullis ${kind} join DIR TOKEN" into the same directory`;
  const words = `the certificate of ${subject} expired ${notAfter}, and can not be renewed (${cause.message}); the way back: ${way}`;
  return new PortcullisError('credential_unusable', words, { cause });
}

function publicOf(key: string): string {
  return createPublicKey(key).export({ format: 'pem', type: 'spki' }) as string;
}
