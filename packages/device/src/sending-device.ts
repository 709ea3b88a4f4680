import { join } from 'node:path';
import { PortcullisError, StreamName } from '@portcullis/contract';
import { beforeRenewal, type Credential, credentialFileIn, readCredential } from './credential/credential.ts';
import { KnownTime } from './credential/known-time.ts';
import type { Proof } from './credential/prove.ts';
import { Renewing } from './credential/renewing.ts';
import { makeDirectory } from './durable.ts';
import { realNetwork } from './link/dial.ts';
import { Link } from './link/link.ts';
import { StrictConnector } from './link/strict-connector.ts';
import { type Lock, openHeld } from './lock.ts';
import { unknownSince } from './outbox/apart.ts';
import { Clock } from './outbox/clock.ts';
import { type OutboxBounds, outboxBounds, type Put } from './outbox/outbox.ts';
import { requireOwner } from './outbox/owner.ts';
import { type Given, lineOf, parseLine, type Written, writeReading } from './outbox/reading.ts';
import { RefusedFile } from './outbox/refused-file.ts';
import type { Acknowledged, Counts, Refusal } from './outbox/sender.ts';
import { Stream } from './outbox/stream.ts';
import { streamsIn, surveyStream } from './outbox/survey.ts';
import type { Tally } from './outbox/tally.ts';
import type { Way } from './outbox/way.ts';
import { realSystem, type System } from './system.ts';
import { HttpsWay } from './ways/https-way.ts';
import { MqttWay } from './ways/mqtt-way.ts';
import { SealedWay } from './ways/sealed-way.ts';

/** How long what is under way with the old pair may take to be answered. */
const drainMs = 10_000;

export interface DeviceOptions {
  directory: string;
  system?: System;
  bounds?: OutboxBounds;
  onRefusal?: (refusal: Refusal) => void;
  /** Of readings that were sent together. */
  onAcknowledged?: ((acknowledged: Acknowledged) => void) | undefined;
  onFailure?: (error: PortcullisError) => void;
  /** How readings get to a gate: by HTTPS, where nothing is said; `sealed`: to the carriers that `gates` names. */
  by?: 'https' | 'mqtt' | 'sealed';
  /** Instead of the gates that the credential names. */
  gates?: readonly string[] | undefined;
  /** The one stream that matters now: what waits for others that no gate knows is left alone. */
  only?: string;
  /** What somebody should know, and no program has to. */
  onNotice?: (words: string) => void;
}

/** A device that is enrolled: takes readings, keeps them on disk, and sends them to a gate until one acknowledges. */
export class Device {
  readonly #options: DeviceOptions;
  readonly #system: System;
  readonly #lock: Lock;
  readonly #streams = new Map<string, Stream>();
  readonly #renewing: Renewing;
  readonly #clock: Clock;
  readonly #time: KnownTime;
  readonly #refusedFile: RefusedFile;
  #credential: Credential;
  /** The same with the pair that connections are made with: until a renewed one was proven, the one before it. */
  #inUse: Credential;
  #way: Way;
  /** Those of a pair before, which still wait for answers. */
  readonly #left = new Set<Way>();
  #last = 0;
  #count = 0;
  #closed = false;

  private constructor(options: DeviceOptions, lock: Lock) {
    this.#options = options;
    this.#system = options.system ?? realSystem;
    this.#lock = lock;
    this.#refusedFile = new RefusedFile(options.directory, this.#system);
    this.#credential = readCredential(credentialFileIn(options.directory));
    this.#inUse = beforeRenewal(this.#credential);
    this.#time = new KnownTime(this.#system);
    this.#clock = new Clock({ system: this.#system, time: this.#time, notBefore: () => this.#renewing.notBefore });
    this.#way = this.#makeWay(this.#inUse);
    this.#renewing = new Renewing({
      directory: options.directory,
      system: this.#system,
      time: this.#time,
      credential: () => this.#credential,
      adopt: (credential) => {
        this.#credential = credential;
      },
      prove: (credential) => this.#prove(credential),
      use: (credential) => this.#use(credential),
      adoptGates: (credential) => this.#adoptGates(credential),
      onFailure: (error) => options.onFailure?.(error),
      onTime: () => this.#retry(),
    });
    this.#resumeStreams();
    this.#renewing.start();
  }

  /** @throws {PortcullisError} `credential_unusable`, `store_locked`, `environment_refused` */
  static async open(options: DeviceOptions): Promise<Device> {
    return openHeld(options.directory, (lock) => new Device(options, lock));
  }

  get credential(): Credential {
    return this.#credential;
  }

  /** Since this start, over all streams. */
  get counts(): Counts {
    const total = { acknowledged: 0, refused: 0 };
    for (const { counts } of this.#streams.values()) {
      total.acknowledged += counts.acknowledged;
      total.refused += counts.refused;
    }
    return total;
  }

  /** Places in the outboxes that were found damaged. */
  get damaged(): number {
    return [...this.#streams.values()].reduce((sum, { damaged }) => sum + damaged, 0);
  }

  /** Readings that no gate has acknowledged yet. */
  get kept(): number {
    return [...this.#streams.values()].reduce((sum, { kept }) => sum + kept, 0);
  }

  /**
   * Resolves when the reading is on disk; a gate gets it as soon as one takes it. Members that begin with "_" are reserved.
   * @throws {PortcullisError} `outbox_full`, `disk_full`, `usage`
   */
  async send(stream: string, data: Record<string, unknown>, given: Given = {}): Promise<void> {
    await this.#putOne(stream, writeReading(data, given));
  }

  /**
   * The same for one line of JSON, whose text is kept as it is, digit for digit; its `_id` and `_time` are the reading's own.
   * @throws {PortcullisError} `outbox_full`, `disk_full`, `usage`
   */
  async sendLine(stream: string, line: string | Buffer): Promise<void> {
    await this.#putOne(stream, parseLine(line));
  }

  /** As many as fit, in their order; says why the next one does not. @throws {PortcullisError} `disk_full`, `usage` */
  async put(stream: string, readings: Written[], tally?: Tally): Promise<Put> {
    if (this.#closed) throw new PortcullisError('usage', 'the device is closed');
    const known = this.stream(stream);
    const now = new Date(this.#time.now()).toISOString();
    const clock = this.#clock.state;
    const lines = readings.map(({ text, given }) =>
      lineOf(text, { ...given, id: given.id ?? this.#makeId(), time: given.time ?? now, clock }),
    );
    return known.put(lines, tally);
  }

  async #putOne(stream: string, written: Written): Promise<void> {
    const { refusal } = await this.put(stream, [written]);
    if (refusal) throw refusal;
  }

  /** Resolves when nothing waits any more. */
  async drained(signal: AbortSignal): Promise<void> {
    while (this.kept > 0 && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** Resolves when a renewal that is due has ended, well or not. */
  async renewed(signal: AbortSignal): Promise<void> {
    await this.#renewing.settled(signal);
  }

  /** What was put is on disk; what was not acknowledged stays there. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const stream of this.#streams.values()) stream.stop();
    for (const way of [this.#way, ...this.#left]) way.close();
    await Promise.all([this.#renewing.stop(), ...[...this.#streams.values()].map((stream) => stream.close())]);
    this.#lock.close();
  }

  /** @throws {PortcullisError} `usage`: the name is none of a stream */
  stream(name: string): Stream {
    const known = this.#streams.get(name);
    if (known) return known;
    const parsed = StreamName.safeParse(name);
    if (!parsed.success) throw new PortcullisError('usage', `stream "${name}" must match [a-z0-9][a-z0-9._-]{0,62}`);
    const { directory, bounds, onRefusal, onAcknowledged, onFailure, onNotice } = this.#options;
    const stream = new Stream({
      name,
      directory,
      bounds: bounds ?? outboxBounds,
      way: () => this.#way,
      refusedFile: this.#refusedFile,
      system: this.#system,
      onRefusal: (refusal) => onRefusal?.(refusal),
      onAcknowledged,
      onFailure: (error) => {
        this.#renewing.failed(error);
        onFailure?.(error);
      },
      onGatesMissing: () => this.#renewing.askForGates(),
      onGatesFound: () => this.#renewing.gatesFound(),
      onNotice: (words) => onNotice?.(words),
    });
    this.#streams.set(name, stream);
    return stream;
  }

  /** `before`: when the way that it takes the place of has ended. */
  #makeWay(credential: Credential, before?: Promise<void>): Way {
    const { by, gates } = this.#options;
    const { roots, fleet, subject } = credential;
    const trust = { roots, fleet, role: 'gate', credential, moment: this.#time.moment } as const;
    if (by === 'sealed') {
      return new SealedWay({ carriers: gates ?? [], credential, system: this.#system });
    }
    if (by === 'mqtt') {
      const connector = new StrictConnector(trust, realNetwork, 'mqtt');
      const known = () => gates ?? this.#credential.mqttGates ?? [];
      return new MqttWay({ connector, gates: known, clientId: subject, clock: this.#clock, before });
    }
    return new HttpsWay({
      link: new Link(trust),
      gates: () => gates ?? this.#credential.gates,
      clock: this.#clock,
      onBundleDue: (version) => this.#renewing.askForBundle(version),
    });
  }

  async #prove(credential: Credential): Promise<Proof> {
    const way = this.#makeWay(credential);
    try {
      return (await way.prove?.()) ?? { gate: '' };
    } finally {
      way.close();
    }
  }

  /**
   * Connections that were made with the old pair end once what they carry is answered: they would be refused when it is superseded
   * (FIELD-NOTES A5). A sender that has something under way goes on with the new pair after that.
   */
  async #use(credential: Credential): Promise<void> {
    const old = this.#way;
    this.#left.add(old);
    const ended = old.drain(drainMs);
    this.#inUse = credential;
    this.#way = this.#makeWay(credential, ended);
    await ended;
    this.#left.delete(old);
  }

  #adoptGates(credential: Credential): void {
    this.#credential = credential;
    this.#retry();
  }

  #retry(): void {
    for (const stream of this.#streams.values()) stream.retry();
  }

  #resumeStreams(): void {
    const outboxes = join(this.#options.directory, 'outbox');
    makeDirectory(outboxes);
    const names = streamsIn(outboxes);
    requireOwner(outboxes, this.#credential, () => names.every((name) => surveyStream(outboxes, name).readings === 0));
    const { only } = this.#options;
    for (const name of names) {
      const isLeft = only !== undefined && name !== only && unknownSince(join(outboxes, name)) !== undefined;
      if (!isLeft) this.stream(name);
    }
  }

  /** In the order in which they are made, and unlike any other: milliseconds that never go back, a count, 80 random bits. */
  #makeId(): string {
    const now = Math.max(this.#last, this.#system.now());
    this.#count = now === this.#last ? this.#count + 1 : 0;
    this.#last = now;
    const order = now.toString(36).padStart(9, '0') + this.#count.toString(36).padStart(4, '0');
    return `${order}-${this.#system.random(10).toString('hex')}`;
  }
}
