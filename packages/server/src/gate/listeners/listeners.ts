import type { Crowd } from '../../bounds/bounds.ts';
import { keyCredentialName } from '../../pki/pki.ts';
import type { RefusedReading } from '../../storage/sink.ts';
import { Shield } from '../admission/shield.ts';
import type { Connection } from '../connections/connections.ts';
import { TwoPlaces } from '../connections/two-places.ts';
import { RefusedKeeping } from '../recording/refused-keeping.ts';
import { CoapListener } from './coap/listener.ts';
import type { ContextOf } from './coap/openings.ts';
import { type DecideAddress, DecideFront, type DecideParts } from './decide/decide-front.ts';
import { DoorNotes } from './door-notes.ts';
import { Front, type FrontParts } from './http/front.ts';
import { MqttListener } from './mqtt/mqtt-listener.ts';
import { Seals, type SealsParts } from './sealed/sealed.ts';
import type { ListenerLimits, ServerCredential } from './tls.ts';

type Transport = 'https' | 'mqtt' | 'coap' | 'decide';

/** One way in: bytes on one side, submissions on the other. */
export interface OpenListener {
  /** For want of room: how many gave way, and how many were turned away. */
  readonly crowd: Crowd;
  /** What is spoken there, and over how many connections now. */
  readonly inUse: { transport: Transport; connections: number };
  /** For new handshakes; what shows no certificate has none to swap. */
  swapCredential?(credential: ServerCredential): void;
  /** Takes nothing new; what was taken is answered. */
  close(): Promise<void>;
}

/** Where devices send; a port that is not given is closed. */
export interface Listen {
  host: string;
  port: number;
  mqttPort?: number | undefined;
  coapPort?: number | undefined;
}

export interface ListenersParts
  extends Omit<FrontParts & DecideParts, 'notes' | 'seals' | 'shield' | 'settings'>,
    Pick<SealsParts, 'instance' | 'leafOf'> {
  contextOf: ContextOf;
  settings: {
    listen: Listen & DecideAddress;
    limits: ListenerLimits;
    retainDays: number;
  };
}

/** Where each way in is. */
export interface Ports {
  https: number;
  mqtt: number | undefined;
  coap: number | undefined;
}

/** Beside HTTPS, at its own port. */
export const mqttUrlOf = (url: string, port: number) => `mqtts://${new URL(url).hostname}:${port}`;

/** Every way into the gate. */
export class Listeners {
  readonly #parts: ListenersParts & { notes: DoorNotes; seals: Seals; shield: Shield };
  readonly #front: Front;
  readonly #open: OpenListener[] = [];
  readonly #refused: RefusedKeeping;
  readonly #twoPlaces: TwoPlaces;

  constructor(parts: ListenersParts) {
    const { system, settings } = parts;
    const { now, monotonic } = system;
    const twoPlaces = new TwoPlaces({ ...parts, monotonic });
    const uses = {
      note(connection: Connection) {
        parts.uses.note(connection);
        twoPlaces.used(connection);
      },
    };
    const notes = new DoorNotes({ ...parts, twoPlaces, limits: settings.limits });
    const seals = new Seals({ ...parts, uses, now, monotonic, retainDays: settings.retainDays });
    const shield = new Shield({ ground: parts.ground, monotonic });
    this.#parts = { ...parts, uses, notes, seals, shield };
    this.#twoPlaces = twoPlaces;
    this.#front = new Front(this.#parts);
    const handshakes = {
      name: 'portcullis_gate_handshakes_total',
      help: 'TLS handshakes by how their keys were agreed on',
    };
    parts.metrics.labelled('counter', { ...handshakes, label: 'exchange' }, () => [...notes.exchanges]);
    const again = 'Refusals that were given again as they stood, without being judged anew';
    parts.metrics.counter('portcullis_gate_refusals_repeated_total', again, () => shield.repeated);
    this.#refused = new RefusedKeeping(parts);
  }

  async listen(credential: ServerCredential): Promise<Ports> {
    this.#parts.seals.swapCredential(credential);
    const https = await this.#front.listen(credential);
    this.#open.push(this.#front);
    await this.#listenToProxies(credential);
    return { https, mqtt: await this.#listenMqtt(credential), coap: await this.#listenCoap() };
  }

  async #listenMqtt(credential: ServerCredential): Promise<number | undefined> {
    const { mqttPort } = this.#parts.settings.listen;
    if (mqttPort === undefined) return undefined;
    const { system } = this.#parts;
    const keepRefused = (refused: RefusedReading) => this.#refused.keep(refused);
    const parts = { ...this.#parts, now: system.now, keepRefused };
    const mqtt = new MqttListener(parts, credential, mqttPort);
    const port = await mqtt.listen();
    this.#open.push(mqtt);
    return port;
  }

  async #listenCoap(): Promise<number | undefined> {
    const { settings, metrics } = this.#parts;
    const { host, coapPort } = settings.listen;
    if (coapPort === undefined) return undefined;
    const nameOf = (keyId: Buffer) => Buffer.from(keyCredentialName(keyId), 'hex');
    const contextsMax = settings.limits.connectionsMax;
    const coap = new CoapListener({ ...this.#parts, nameOf, contextsMax, host, port: coapPort });
    const port = await coap.listen();
    this.#open.push(coap);
    const datagrams = { name: 'portcullis_gate_coap_datagrams_total', help: 'Datagrams by what became of them' };
    metrics.labelled('counter', { ...datagrams, label: 'outcome' }, () => [...coap.counts]);
    return port;
  }

  async #listenToProxies(credential: ServerCredential): Promise<void> {
    const { decidePort, decideSocket } = this.#parts.settings.listen;
    if (decidePort === undefined && decideSocket === undefined) return;
    const front = new DecideFront(this.#parts);
    await front.listen(credential);
    this.#open.push(front);
  }

  get crowd(): Crowd {
    const total = { displaced: 0, turnedAway: 0, unfinishedBytes: 0 };
    for (const { crowd } of this.#open) {
      total.displaced += crowd.displaced;
      total.turnedAway += crowd.turnedAway;
      total.unfinishedBytes += crowd.unfinishedBytes;
    }
    return total;
  }

  /** Handshakes that ended well, by how their keys were agreed on. */
  get handshakes(): ReadonlyMap<string, number> {
    return this.#parts.notes.exchanges;
  }

  /** Whose certificate is live from two places in turn. */
  get twoPlaces(): ReturnType<TwoPlaces['told']> {
    return this.#twoPlaces.told();
  }

  /** How many connections each of them has now. */
  get inUse(): OpenListener['inUse'][] {
    return this.#open.map(({ inUse }) => inUse);
  }

  swapCredential(credential: ServerCredential): void {
    this.#parts.seals.swapCredential(credential);
    for (const listener of this.#open) listener.swapCredential?.(credential);
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.map((listener) => listener.close()));
    await this.#refused.stop();
  }
}
