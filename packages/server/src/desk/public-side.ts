import type { Link } from '@portcullis/device';
import type { ServerCertificateHeld } from '../credentials/credentials.ts';
import { issuersIn, Publication } from '../publication/publication.ts';
import type { Log, System } from '../telemetry/telemetry.ts';
import { CheckpointPage } from './checkpoint-page.ts';
import { follow } from './following.ts';
import { Front } from './front.ts';
import { LookUps } from './look-ups.ts';
import type { DeskSettings } from './promises.ts';
import { PublicDoor } from './public-door.ts';
import { PublicRecord } from './public-record.ts';
import { PublicationKey } from './publication-key.ts';
import type { Relaying } from './relaying.ts';

interface Parts {
  directory: string;
  settings: DeskSettings;
  subject: string;
  link(): Link;
  relaying: Relaying;
  held: ServerCertificateHeld;
  system: System;
  log: Log;
}

/** What anybody may ask, where the desk answers such questions: from memory, which the authority's feed keeps. */
export class PublicSide {
  readonly #parts: Parts;
  readonly #record: PublicRecord;
  readonly #key: PublicationKey;
  readonly #front: Front;
  readonly #stop = new AbortController();
  #issuers: ReadonlyMap<string, Buffer>;

  constructor(parts: Parts) {
    const { directory, settings, subject, link, relaying, held, system, log } = parts;
    const { authority, limits } = settings;
    this.#parts = parts;
    this.#issuers = issuersIn(held.trust);
    this.#record = new PublicRecord(system.monotonic);
    this.#key = new PublicationKey({ directory, authority, subject, link, system, log });
    const lookUps = new LookUps({ record: this.#record, ageMsMax: limits.lookUpAgeMs, system });
    const publication = new Publication({
      source: this.#record,
      signing: () => this.#key.signing,
      issuerOf: (fingerprint) => this.#issuers.get(fingerprint),
      ageMsMax: limits.publicAgeMs,
      monotonic: system.monotonic,
    });
    const door = new PublicDoor({ lookUps, publication, page: new CheckpointPage(), relaying });
    this.#front = new Front(held, { limits, log, system, answer: (request) => door.answer(request) });
  }

  /** How far it is with what is public; undefined: it was told nothing yet. */
  get state() {
    return this.#record.state;
  }

  /** Resolves to the port; undefined: it answers nobody, and is told nothing. */
  async listen(): Promise<number | undefined> {
    const { settings, link, log } = this.#parts;
    const { host, publicPort } = settings.listen;
    if (publicPort === undefined) return undefined;
    const port = await this.#front.listen({ host, port: publicPort });
    void follow({ authority: settings.authority, link, record: this.#record, log }, this.#stop.signal);
    void this.#key.keep();
    return port;
  }

  swap(held: ServerCertificateHeld): void {
    this.#issuers = issuersIn(held.trust);
    this.#front.swap(held);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#key.stop();
    await this.#front.close();
  }
}
