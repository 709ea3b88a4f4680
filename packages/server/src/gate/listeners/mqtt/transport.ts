import type { TLSSocket } from 'node:tls';
import type { Connection, Transport } from '../../connections/connections.ts';
import type { ListenerLimits } from '../tls.ts';

/** What is spoken over it. */
export interface Spoken {
  readonly isBusy: boolean;
  /** Some bytes of a packet are there, and not all. */
  readonly isWithin: boolean;
  receive(piece: Buffer): void;
  /** The registry ends it, or the gate stops. */
  end(): void;
  gone(): void;
  /** Seconds; 0: the client promised nothing. */
  readonly keepAlive: number;
}

type Limits = Pick<ListenerLimits, 'requestMs' | 'bodyBytesPerSecondMin'>;

/** Of a packet that stands still for so long, the rest is not expected any more. */
const stalledMs = 5_000;
/** What was said last has so long to leave. */
const farewellMs = 1_000;
/** A peer that is gone without a word and promised to be heard of never is noticed by TCP. */
const aliveMs = 60_000;
/** [MQTT-3.1.2-22] of MQTT 5: one and a half. */
const keepAliveTimes = 1.5;
/** A reader that does not take its answers and notices loses its connection, not the gate its memory (FIELD-NOTES B13). */
const unreadBytesMax = 1_048_576;

/** One TLS connection: what was heard and when, what is said, how it ends. */
export class MqttTransport implements Transport {
  readonly remoteAddress: string;
  connection: Connection | undefined;
  readonly #socket: TLSSocket;
  readonly #monotonic: () => number;
  #spoken: Spoken | undefined;
  #heardAt: number;
  /** Since when a packet is under way, and how much had been heard then. */
  #began: { at: number; bytes: number } | undefined;
  /** What is done when its time comes. */
  #due: { at: number; act(): void } | undefined;
  #paused = false;
  #corked = false;

  constructor(socket: TLSSocket, monotonic: () => number) {
    [this.#socket, this.#monotonic] = [socket, monotonic];
    this.#heardAt = monotonic();
    this.remoteAddress = socket.remoteAddress ?? '';
  }

  speak(spoken: Spoken): void {
    this.#spoken = spoken;
    this.#socket.setNoDelay(true);
    this.#socket.setKeepAlive(true, aliveMs);
    this.#socket.on('data', (piece: Buffer) => this.#heard(piece));
    this.#socket.once('close', () => spoken.gone());
  }

  get idleSince(): number | undefined {
    return this.#spoken?.isBusy || this.#spoken?.isWithin ? undefined : this.#heardAt;
  }

  get stalledSince(): number | undefined {
    if (!this.#spoken?.isWithin || this.#paused) return undefined;
    return this.#monotonic() - this.#heardAt > stalledMs ? this.#heardAt : undefined;
  }

  #heard(piece: Buffer): void {
    this.#heardAt = this.#monotonic();
    this.#spoken?.receive(piece);
    if (!this.#spoken?.isWithin) this.#began = undefined;
    else this.#began ??= { at: this.#heardAt, bytes: this.#socket.bytesRead - piece.length };
  }

  /** Nothing more is read until `resume`: whoever sends waits, and not what he sends. */
  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#heardAt = this.#monotonic();
    this.#began = undefined;
    this.#socket.resume();
  }

  /** All that is said within one turn leaves together. */
  write(packet: Buffer): void {
    const socket = this.#socket;
    if (socket.destroyed) return;
    if (!this.#corked) {
      this.#corked = true;
      socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        socket.uncork();
      });
    }
    socket.write(packet);
    if (socket.writableLength > unreadBytesMax) socket.destroy();
  }

  /** At the first look after so long; what was to be done before is not done. */
  after(ms: number, act: () => void): void {
    this.#due = { at: this.#monotonic() + ms, act };
  }

  /** Nothing is due any more. */
  calm(): void {
    this.#due = undefined;
  }

  /** Now and then. */
  look(limits: Limits): void {
    const now = this.#monotonic();
    const due = this.#due;
    if (due && now >= due.at) {
      this.#due = undefined;
      due.act();
    } else if (!this.#paused && (this.#isSilent(now) || this.#isTooSlow(now, limits))) this.drop();
  }

  /** As if the network had failed: without a word. */
  #isSilent(now: number): boolean {
    const keepAlive = this.#spoken?.keepAlive ?? 0;
    return keepAlive > 0 && now - this.#heardAt > keepAliveTimes * keepAlive * 1_000;
  }

  /** A packet that comes slowly and steadily is waited for, as a body is over HTTP. */
  #isTooSlow(now: number, { requestMs, bodyBytesPerSecondMin }: Limits): boolean {
    if (!this.#began) return false;
    if (now - this.#heardAt > requestMs) return true;
    const earnedMs = (1_000 * (this.#socket.bytesRead - this.#began.bytes)) / bodyBytesPerSecondMin;
    return now - this.#began.at > requestMs + earnedMs;
  }

  end(): void {
    if (this.#spoken) this.#spoken.end();
    else this.drop();
  }

  /**
   * The last that is said, and then it is closed from here, whatever the client does. TLS is told too (RFC 8446 §6.1): without it, mosquitto_sub
   * takes the end for a failure of TLS, and does not come back.
   */
  farewell(packet: Buffer | undefined): void {
    if (packet) this.write(packet);
    this.#socket.pause();
    this.#paused = true;
    this.#socket.end(() => this.#socket.destroy());
    this.after(farewellMs, () => this.#socket.destroy());
  }

  drop(): void {
    // Whoever takes nothing is told nothing.
    if (this.#socket.writableLength > 0) this.#socket.destroy();
    else this.farewell(undefined);
  }
}
