import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { PortcullisError, StreamName } from '@portcullis/contract';
import { type Credential, credentialFileIn, readCredential } from './credential/credential.ts';
import { Renewing } from './credential/renewing.ts';
import { makeDirectory } from './durable.ts';
import { Link } from './link/link.ts';
import { holdDirectory, type Lock } from './lock.ts';
import { Clock } from './outbox/clock.ts';
import { Outbox, type OutboxBounds, outboxBounds, type Waiting } from './outbox/outbox.ts';
import { type Given, requireReading } from './outbox/reading.ts';
import { type Counts, type Refusal, Sender } from './outbox/sender.ts';
import { realSystem, type System } from './system.ts';

export interface DeviceOptions {
  directory: string;
  system?: System;
  bounds?: OutboxBounds;
  onRefusal?: (refusal: Refusal) => void;
  onFailure?: (error: PortcullisError) => void;
}

interface Stream {
  outbox: Outbox;
  sender: Sender;
  running: Promise<void>;
}

/** A device that is enrolled: takes readings, keeps them on disk, and sends them to a gate until one acknowledges. */
export class Device {
  readonly counts: Counts = { acknowledged: 0, refused: 0 };
  readonly #options: DeviceOptions;
  readonly #system: System;
  readonly #lock: Lock;
  readonly #streams = new Map<string, Stream>();
  readonly #renewing: Renewing;
  readonly #clock: Clock;
  #credential: Credential;
  #link: Link;
  #last = 0;
  #count = 0;
  #closed = false;

  private constructor(options: DeviceOptions, lock: Lock) {
    this.#options = options;
    this.#system = options.system ?? realSystem;
    this.#lock = lock;
    this.#credential = readCredential(credentialFileIn(options.directory));
    this.#link = this.#makeLink();
    this.#renewing = new Renewing({
      directory: options.directory,
      system: this.#system,
      credential: () => this.#credential,
      adopt: (credential) => this.#adopt(credential),
      onFailure: (error) => options.onFailure?.(error),
    });
    this.#clock = new Clock(this.#system, () => this.#renewing.notBefore);
    this.#resumeStreams();
    this.#renewing.start();
  }

  /** @throws {PortcullisError} `credential_unusable`, `store_locked`, `environment_refused` */
  static async open(options: DeviceOptions): Promise<Device> {
    if (!existsSync(options.directory)) {
      throw new PortcullisError('credential_unusable', `"${options.directory}" does not exist; enrol first`);
    }
    const lock = holdDirectory(options.directory);
    try {
      return new Device(options, lock);
    } catch (error) {
      lock.close();
      throw error;
    }
  }

  get credential(): Credential {
    return this.#credential;
  }

  /** Readings that no gate has acknowledged yet. */
  get kept(): number {
    return [...this.#streams.values()].reduce((sum, { outbox }) => sum + outbox.length, 0);
  }

  /**
   * Resolves when the reading is on disk; a gate gets it as soon as one takes it. Members that begin with "_" are reserved.
   * @throws {PortcullisError} `outbox_full`, `disk_full`, `usage`
   */
  async send(stream: string, data: Record<string, unknown>, given: Given = {}): Promise<void> {
    if (this.#closed) throw new PortcullisError('usage', 'the device is closed');
    requireReading(data, given);
    const { outbox, sender } = this.#stream(stream);
    const time = given.time ?? new Date(this.#system.now()).toISOString();
    const reading: Waiting = { id: given.id ?? this.#makeId(), time, clock: this.#clock.state, data };
    await outbox.put(reading);
    sender.wake();
  }

  /** Resolves when nothing waits any more. */
  async drained(signal: AbortSignal): Promise<void> {
    while (this.kept > 0 && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** What was put is on disk; what was not acknowledged stays there. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { sender } of this.#streams.values()) sender.stop();
    this.#link.close();
    await Promise.all([this.#renewing.stop(), ...[...this.#streams.values()].map(({ running }) => running)]);
    for (const { outbox } of this.#streams.values()) outbox.close();
    this.#lock.close();
  }

  #makeLink(): Link {
    const { roots, fleet } = this.#credential;
    return new Link({ roots, fleet, role: 'gate', credential: this.#credential });
  }

  /** Connections that were made with the old pair end: they would be refused once it is superseded (FIELD-NOTES A5). */
  #adopt(credential: Credential): void {
    const old = this.#link;
    this.#credential = credential;
    this.#link = this.#makeLink();
    old.close();
  }

  #resumeStreams(): void {
    const outboxes = join(this.#options.directory, 'outbox');
    makeDirectory(outboxes);
    for (const name of readdirSync(outboxes)) if (StreamName.safeParse(name).success) this.#stream(name);
  }

  #stream(name: string): Stream {
    const known = this.#streams.get(name);
    if (known) return known;
    const parsed = StreamName.safeParse(name);
    if (!parsed.success) throw new PortcullisError('usage', `stream "${name}" must match [a-z0-9][a-z0-9._-]{0,62}`);
    const { directory, bounds, onRefusal, onFailure } = this.#options;
    const outbox = new Outbox(join(directory, 'outbox', name), bounds ?? outboxBounds);
    const sender = new Sender({
      stream: name,
      outbox,
      route: () => ({ link: this.#link, gates: this.#credential.gates }),
      refusedFile: join(directory, 'refused.ndjson'),
      counts: this.counts,
      system: this.#system,
      clock: this.#clock,
      onRefusal: (refusal) => onRefusal?.(refusal),
      onFailure: (error) => onFailure?.(error),
    });
    const stream = { outbox, sender, running: sender.run() };
    this.#streams.set(name, stream);
    return stream;
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
