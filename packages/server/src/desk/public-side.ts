import { PublicFeedMessage } from '@portcullis/contract';
import type { Link } from '@portcullis/device';
import type { ServerCertificateHeld } from '../credentials/credentials.ts';
import { issuersIn, Publication } from '../publication/publication.ts';
import type { Log, System } from '../telemetry/telemetry.ts';
import { CheckpointPage } from './checkpoint-page.ts';
import { follow } from './following.ts';
import { Front } from './front.ts';
import { LookUps } from './look-ups.ts';
import { openPhones, type Phones } from './phones.ts';
import type { Position } from './position.ts';
import type { Desk, DeskSettings } from './promises.ts';
import { PublicDoor } from './public-door.ts';
import { PublicRecord } from './public-record.ts';
import { PublicationKey } from './publication-key.ts';
import type { Relaying } from './relaying.ts';

interface Parts {
  directory: string;
  settings: DeskSettings;
  subject: string;
  link(): Link;
  makeKey(): string;
  position: Position;
  /** What is known is of a newer revision now. */
  onRevision(): void;
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
  readonly #door: PublicDoor;
  readonly #front: Front;
  readonly #stop = new AbortController();
  #issuers: ReadonlyMap<string, Buffer>;
  #phones: Phones | undefined;

  constructor(parts: Parts) {
    const { directory, settings, subject, link, makeKey, relaying, held, system, log } = parts;
    const { authority, limits } = settings;
    this.#parts = parts;
    this.#issuers = issuersIn(held.trust);
    this.#record = new PublicRecord(system.monotonic);
    this.#key = new PublicationKey({ directory, authority, subject, link, makeKey, system, log });
    const lookUps = new LookUps({ record: this.#record, ageMsMax: limits.lookUpAgeMs, system });
    const publication = new Publication({
      source: this.#record,
      signing: () => this.#key.signing,
      issuerOf: (fingerprint) => this.#issuers.get(fingerprint),
      ageMsMax: limits.publicAgeMs,
      monotonic: system.monotonic,
    });
    this.#door = new PublicDoor({ lookUps, publication, page: new CheckpointPage(), relaying });
    this.#front = new Front(held, { limits, log, system, answer: (request) => this.#door.answer(request) });
  }

  /** How far it is with what is public; undefined: it was told nothing yet. */
  get state() {
    return this.#record.state;
  }

  /** Resolves to the ports; without any it is told nothing. */
  async listen(): Promise<Pick<Desk, 'publicPort' | 'phonesPort'>> {
    const { settings, link, position, log } = this.#parts;
    const { host, publicPort: wanted } = settings.listen;
    const publicPort = wanted === undefined ? undefined : await this.#front.listen({ host, port: wanted });
    this.#phones = await this.#openPhones();
    const phonesPort = this.#phones?.port;
    if (publicPort === undefined && phonesPort === undefined) return { publicPort, phonesPort };
    const url = `${settings.authority}/v1/desk/feed`;
    const record = {
      hear: (message: PublicFeedMessage) => this.#hear(message),
      brokeOff: () => this.#record.brokeOff(),
      distrust: () => this.#record.distrust(),
    };
    void follow({ url, position, shape: PublicFeedMessage, link, record, log }, this.#stop.signal);
    void this.#key.keep();
    return { publicPort, phonesPort };
  }

  #hear(message: PublicFeedMessage): void {
    const before = this.#record.state?.revision;
    this.#record.hear(message);
    if (message.type === 'beat' && message.revision !== before) this.#parts.onRevision();
  }

  async #openPhones(): Promise<Phones | undefined> {
    const { settings, system, log } = this.#parts;
    if (!settings.public) return undefined;
    const answer: PublicDoor['answer'] = (request, from) => this.#door.answer(request, from);
    return openPhones({ settings: settings.public, limits: settings.limits, system, log, answer });
  }

  /** Who signs certificates may be another one: what is signed from now on is below that. */
  renewKey(): void {
    this.#key.renewNow();
  }

  swap(held: ServerCertificateHeld): void {
    this.#issuers = issuersIn(held.trust);
    this.#front.swap(held);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#key.stop();
    await Promise.all([this.#front.close(), this.#phones?.close()]);
  }
}
