import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { failures, type KeyAlgorithm, PortcullisError, type Problem, problemMediaType } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import {
  againstConfig,
  ask,
  type ConfigHashes,
  forget,
  type LedAt,
  ledAt,
  signedFor,
  trustIn,
} from '../authorities/authorities.ts';
import { type BytesRefused, isLongBody, listenFailure, refuseBytes, throwAwayBody } from '../bounds/bounds.ts';
import { newlySeen, writeHeadFile } from '../journal/journal.ts';
import { fromPem, readCertificate } from '../pki/pki.ts';
import type { Beside } from '../storage/storage.ts';
import { Figures, type FiguresAddress, FiguresListener } from '../telemetry/figures.ts';
import { goOn, type Log, type System } from '../telemetry/telemetry.ts';
import { Doors } from './door.ts';
import { requestMs, type ServerIdentity, tlsOptions } from './server.ts';

export interface StandingByParts {
  beside: Beside;
  /** Where the last head is held that this machine saw. */
  headFile: string;
  /** Why an issuer could not sign here; undefined: all could. */
  keys: { against(store: Pick<Beside, 'read'>): Promise<PortcullisError | undefined> };
  /** What this machine would lead by. @throws {PortcullisError} `config_invalid` */
  readConfig(): ConfigHashes;
  hosts: string[];
  keyAlgorithm: KeyAlgorithm;
  listen: { host: string; apiPort: number; enrolmentPort: number };
  metrics?: { listen: FiguresAddress } | undefined;
  system: System;
  log: Log;
}

/** Node's own, which who leads has too. */
const headerBytesMax = 16_384;
/** Who was answered has so long to read it. */
const lastMs = 1_000;
/** Until there is a certificate, and later: what is lost with a database within that time after it was seen, is not known here. */
const pauses = { moreMs: 1_000, restMs: 2_000 };
/** Who leads may be of a version that signs for nobody, or what it signed was lost. */
const askAgainMs = 60_000;

const kinds = ['api', 'enrolment'] as const;
type Kind = (typeof kinds)[number];

/**
 * The listeners of an authority while it stands by: whatever is asked there, it says who leads (307) or that nobody is seen to (503). It needs a
 * certificate that who leads signs, and listens once it has one.
 */
export class StandingBy {
  readonly #parts: StandingByParts;
  readonly #doors: Doors;
  readonly #servers = new Map<Kind, Server>();
  readonly #figures: FiguresListener | undefined;
  readonly #id: string;
  #leader: LedAt | undefined;
  #asked: { key: string; at: number } | undefined;
  #identity: ServerIdentity | undefined;
  #trust = '';
  /** By the system's clock, in milliseconds. */
  #renewAfter = 0;
  /** By the monotonic one. */
  #notBefore = 0;
  #isTold = false;
  #against: string | undefined;
  /** The same for whoever has a certificate of the fleet: not where the database is. */
  #againstTold: string | undefined;
  /** Why it does not listen: said once, however often it is tried. */
  #cannot: string | undefined;
  #isTaken = false;
  #seeing: Promise<boolean> = Promise.resolve(true);
  #stopLooking: (() => Promise<void>) | undefined;

  constructor(parts: StandingByParts) {
    this.#parts = parts;
    this.#doors = new Doors(parts);
    this.#id = parts.system.random(8).toString('hex');
    const { metrics } = parts;
    this.#figures = metrics && new FiguresListener(metrics.listen, new Figures(), () => this.#words);
  }

  async open(): Promise<this> {
    await this.#figures?.listen();
    this.#stopLooking = goOn(() => this.#look(), 0, pauses);
    return this;
  }

  /** In the words of the row; undefined: nobody is seen to lead. */
  leads(holder: string | undefined): void {
    this.#leader = holder === undefined ? undefined : ledAt(holder);
  }

  /** This process leads: nobody is said to until it listens, and what it has seen others keep from now on. */
  async taken(): Promise<void> {
    this.#leader = undefined;
    this.#isTaken = true;
    await this.#seeing;
  }

  /** One after the other: each may write what it saw. What speaks against it is told once. */
  mayLead(): Promise<boolean> {
    this.#seeing = this.#seeing.then(() => this.#isTaken || this.#see());
    return this.#seeing;
  }

  async #see(): Promise<boolean> {
    const { beside, headFile, keys, readConfig, log } = this.#parts;
    try {
      const head = await beside.read((db) => newlySeen(db, headFile));
      // What is not held is no word against leading: it only makes less known of what was lost.
      if (head)
        await writeHeadFile(headFile, head).catch((err: unknown) => log.warn({ err }, "couldn't hold what was seen"));
      await beside.requireChanges();
      const config = readConfig();
      const differs = await beside.read((db) => againstConfig(db, config));
      const against = differs ?? (await keys.against(beside));
      if (against) throw against;
      if (this.#against !== undefined) log.info('stands by and would lead');
      [this.#against, this.#againstTold] = [undefined, undefined];
      return true;
    } catch (error) {
      const why = asWords(error);
      if (why !== this.#against) log.error({ why }, 'stands by and will not lead');
      this.#against = why;
      const isAway = error instanceof PortcullisError && error.code === 'store_unavailable';
      this.#againstTold = isAway ? failures.store_unavailable.title : why;
      return false;
    }
  }

  /** In words, for whoever asks how it is. */
  get #words(): string {
    return this.#against === undefined ? 'it stands by' : `it stands by and will not lead: ${this.#against}`;
  }

  /** The ports that are bound: none before there is a certificate. */
  get ports(): Partial<Record<Kind, number>> {
    return Object.fromEntries(
      [...this.#servers].map(([kind, server]) => [kind, (server.address() as AddressInfo | null)?.port]),
    );
  }

  async #look(): Promise<boolean> {
    try {
      await this.mayLead();
      const trust = await this.#parts.beside.read(trustIn);
      const { now, monotonic } = this.#parts.system;
      // A clock that is far ahead finds each that it gets due: it asks no more often than one that waits for an answer.
      const isDue = (now() >= this.#renewAfter && monotonic() >= this.#notBefore) || trust !== this.#trust;
      if (isDue) await this.#obtain(trust);
      if (this.#identity && this.#stopLooking) await this.#listen(this.#identity);
      this.#cannot = undefined;
      return isDue;
    } catch (error) {
      const why = asWords(error);
      if (why !== this.#cannot) this.#parts.log.warn({ err: error }, 'stands by and can not listen; trying again');
      this.#cannot = why;
      return true;
    }
  }

  async #obtain(trust: string): Promise<void> {
    const { beside, hosts, keyAlgorithm, system, log } = this.#parts;
    const signed = this.#asked && (await beside.read((db) => signedFor(db, this.#id)));
    if (this.#asked && signed) {
      const [der = new Uint8Array()] = fromPem('CERTIFICATE', signed);
      const { notBefore, notAfter } = readCertificate(der);
      this.#identity = { key: this.#asked.key, certificate: signed };
      this.#renewAfter = (notBefore + notAfter) / 2;
      this.#trust = trust;
      this.#asked = undefined;
      this.#notBefore = system.monotonic() + askAgainMs;
      for (const [kind, server] of this.#servers) server.setSecureContext(this.#secure(kind, this.#identity));
      await beside.write((db) => forget(db, this.#id));
      return;
    }
    if (this.#asked && system.monotonic() - this.#asked.at < askAgainMs) return;
    if (signed === '') log.warn('who leads signs no certificate for the names in "hosts"');
    const key = makeKey(keyAlgorithm);
    const request = makeRequest(key, 'authority').toString('base64');
    await beside.write(async (db) => {
      await forget(db, this.#id);
      await ask(db, this.#id, { request, hosts });
    });
    this.#asked = { key, at: system.monotonic() };
  }

  #secure(kind: Kind, identity: ServerIdentity) {
    return tlsOptions(identity, kind === 'api' ? this.#trust : undefined);
  }

  async #listen(identity: ServerIdentity): Promise<void> {
    const { host, ...ports } = this.#parts.listen;
    for (const kind of kinds) {
      if (this.#servers.has(kind)) continue;
      const server = createServer({
        ...this.#secure(kind, identity),
        ...{ requestTimeout: requestMs, maxHeaderSize: headerBytesMax },
      });
      this.#doors.guard(kind, server);
      server.on('request', (request, response) => this.#answer(kind, request, response));
      server.on('clientError', (error, socket) =>
        refuseBytes(error as unknown as BytesRefused, socket as never, this.#parts.system.now()),
      );
      const port = kind === 'api' ? ports.apiPort : ports.enrolmentPort;
      await new Promise<void>((resolve, reject) => {
        server.once('error', (cause) => reject(listenFailure(cause, { host, port, file: 'fleet.yaml' })));
        server.listen(port, host, resolve);
      });
      this.#servers.set(kind, server);
    }
    if (!this.#isTold) this.#parts.log.info('answers who leads');
    this.#isTold = true;
  }

  #answer(kind: Kind, request: IncomingMessage, response: ServerResponse): void {
    const target = (request.url ?? '').replace(/^https:\/\/[^/?#]*(?=[/?#]|$)/i, '');
    const origin = target.startsWith('/') ? this.#leader?.[kind] : undefined;
    const { title } = failures.not_leader;
    const status = origin === undefined ? 503 : 307;
    const detail = origin === undefined ? 'this authority stands by' : `this authority stands by; ${origin} leads`;
    const problem: Problem = { type: 'about:blank', title, status, reason: 'not_leader', detail };
    // Of the fleet's own alone: at the other listener anybody asks.
    if (kind === 'api' && this.#againstTold !== undefined) problem.against = this.#againstTold;
    const body = JSON.stringify(problem);
    const [name, value] = origin === undefined ? ['retry-after', '1'] : ['location', `${origin}${target}`];
    response.setHeader(name, value);
    response.setHeader('content-type', problemMediaType);
    response.setHeader('content-length', Buffer.byteLength(body));
    // Who asks here is at the wrong place.
    response.setHeader('connection', 'close');
    response.writeHead(status);
    const isLong = isLongBody(request);
    if (isLong) response.write(body);
    else response.end(body);
    throwAwayBody(request, isLong ? response : undefined);
  }

  /** It resolves when who was answered has read it; a second time changes nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    const stop = this.#stopLooking;
    this.#stopLooking = undefined;
    await stop?.();
    const closing = [...this.#servers.values()].map(closed);
    this.#servers.clear();
    await Promise.all([this.#figures?.[Symbol.asyncDispose](), ...closing]);
  }
}

/** Whatever it is, a process that stands by goes on to, and looks again. */
const asWords = (error: unknown): string =>
  error instanceof PortcullisError ? `${error.message} (${error.code})` : String(error);

function closed(server: Server): Promise<void> {
  const timer = setTimeout(() => server.closeAllConnections(), lastMs);
  return new Promise((resolve) => {
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}
