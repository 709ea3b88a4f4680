/** Connections that come and go, each of its kind: what was made of each is counted beside what should be. */
import { randomBytes } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import type { Leaf } from '../fleet-certificates.ts';
import type { Schedule } from '../simulation/schedule.ts';
import { MqttWay } from '../torture/mqtt-way.ts';
import { HttpWay, type Identity, type Place, type Way } from '../torture/way.ts';

export interface ComerParts {
  place: Place;
  /** Those that are admitted. */
  devices: readonly Identity[];
  /** Of them those that have no MQTT connection now: a second one with the same client id ends the first. */
  withoutMqtt: Identity[];
  suspended: Identity;
  /** Of another fleet. */
  stranger: Pick<Leaf, 'key' | 'cert'>;
  chance: Schedule;
  /** Of one run: its ids are like those of no other. */
  label: string;
}

/** True: it went as it should; else what became of it. */
type Comer = (parts: ComerParts) => Promise<true | string>;

/** Longer than a gate waits for a handshake, and for the rest of a request. */
const endedMsMax = 60_000;
const staysMsMax = 4_000;
const half = 'POST /v1/streams/telemetry/readings HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{"temper';
/** The head of a record of TLS that says more than follows: a ClientHello that stops. */
const halfHello = Buffer.from('160301020001', 'hex');

const pick = <One>(all: readonly One[], chance: Schedule) => all[Math.floor(chance.chance() * all.length)] as One;
const idsOf = ({ label }: ComerParts, count: number) =>
  Array.from({ length: count }, () => `${label}-${randomBytes(8).toString('hex')}`);

async function sendsAndGoes(parts: ComerParts, way: Way): Promise<true | string> {
  const { chance } = parts;
  try {
    for (let left = Math.ceil(chance.between(0, 3)); left > 0; left--) {
      const { status, reason } = await way.send(idsOf(parts, Math.ceil(chance.between(0, way.most))));
      if (status !== 202) return `${status} ${reason}`;
      await pause(chance.between(0, staysMsMax));
    }
    return true;
  } finally {
    way.breakOff();
  }
}

const https: Comer = (parts) => sendsAndGoes(parts, new HttpWay(parts.place, pick(parts.devices, parts.chance)));

const mqtt: Comer = async (parts) => {
  const device = parts.withoutMqtt.shift();
  if (!device) return https(parts);
  const way = new MqttWay(parts.place, device, parts.chance.chance() < 0.5 ? 4 : 5);
  return sendsAndGoes(parts, way).finally(() => parts.withoutMqtt.push(device));
};

function open({ place }: ComerParts, more: object): TLSSocket {
  const { port } = new URL(place.url);
  const to = { host: '127.0.0.1', servername: 'localhost', port: Number(port), minVersion: 'TLSv1.3' };
  return connect({ ...to, ...more } as ConnectionOptions).on('error', () => undefined);
}

/** Resolves once the other side has ended it. */
async function isEnded(socket: Socket): Promise<true | string> {
  let waited = false;
  const late = setTimeout(() => {
    waited = true;
    socket.destroy();
  }, endedMsMax);
  socket.on('error', () => undefined).resume();
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
  clearTimeout(late);
  return waited ? 'nobody ended it' : true;
}

/** It offers the session of the connection before; the gate takes none. */
const offersSession: Comer = async (parts) => {
  const { context: secureContext } = pick(parts.devices, parts.chance);
  let session: Buffer | undefined;
  for (let time = 0; time < 2; time++) {
    const socket = open(parts, { secureContext, ...(session && { session }) });
    await new Promise((resolve) => socket.once('secureConnect', resolve).once('close', resolve));
    session = socket.getSession();
    const resumed = socket.isSessionReused();
    socket.destroy();
    if (session === undefined || resumed) return resumed ? 'it was resumed' : 'it was not let in';
  }
  return true;
};

const ofAnotherFleet: Comer = (parts) => {
  const { key, cert } = parts.stranger;
  return isEnded(open(parts, { key, cert, ca: parts.suspended.credential.roots }));
};

const withoutCertificate: Comer = (parts) => isEnded(open(parts, { ca: parts.suspended.credential.roots }));

const suspended: Comer = async (parts) => {
  const way = new HttpWay(parts.place, parts.suspended);
  const { status, reason } = await way.send(idsOf(parts, 1));
  way.breakOff();
  return status === 403 || `${status} ${reason}`;
};

/** Says nothing, or half of a greeting; goes by itself, or is ended. */
const halfHandshake: Comer = async (parts) => {
  const socket = connectTcp(Number(new URL(parts.place.url).port), '127.0.0.1');
  if (parts.chance.chance() < 0.5) socket.write(halfHello);
  if (parts.chance.chance() < 0.5) return isEnded(socket);
  await pause(parts.chance.between(0, staysMsMax));
  socket.destroy();
  return true;
};

const halfRequest: Comer = async (parts) => {
  const socket = open(parts, { secureContext: pick(parts.devices, parts.chance).context });
  socket.write(half);
  if (parts.chance.chance() < 0.3) return isEnded(socket);
  await pause(parts.chance.between(0, staysMsMax));
  socket.destroy();
  return true;
};

/** Of a hundred that come, so many are of a kind. */
export const comers: Record<string, { share: number; come: Comer }> = {
  https: { share: 40, come: https },
  mqtt: { share: 15, come: mqtt },
  'offers a session': { share: 10, come: offersSession },
  'of another fleet': { share: 7, come: ofAnotherFleet },
  'without a certificate': { share: 5, come: withoutCertificate },
  suspended: { share: 8, come: suspended },
  'half a handshake': { share: 8, come: halfHandshake },
  'half a request': { share: 7, come: halfRequest },
};

/** Of each kind: how many came, and how many went as they should. */
export type Counts = Record<string, [came: number, right: number]>;

/** More at once are not let come: the machine does not follow. */
const atOnceMax = 512;

const wrongShownMax = 10;

/** They come by the clock until it is stopped. */
export class Coming {
  readonly counts: Counts = Object.fromEntries(Object.keys(comers).map((kind) => [kind, [0, 0]]));
  /** The first that went otherwise. */
  readonly wrong: { kind: string; what: string }[] = [];
  readonly #parts: ComerParts;
  readonly #there = new Set<Promise<void>>();
  readonly #clock: NodeJS.Timeout;

  constructor(parts: ComerParts, perSecond: number) {
    this.#parts = parts;
    this.#clock = setInterval(() => this.#one(), 1_000 / perSecond);
  }

  /** Resolves when the last of them has gone. */
  async stop(): Promise<void> {
    clearInterval(this.#clock);
    await Promise.all(this.#there);
  }

  #one(): void {
    if (this.#there.size >= atOnceMax) return;
    const one = this.#come(kindAt(this.#parts.chance.between(0, 100))).finally(() => this.#there.delete(one));
    this.#there.add(one);
  }

  async #come(kind: string): Promise<void> {
    const counted = this.counts[kind] as [number, number];
    const outcome = await comers[kind]?.come(this.#parts).catch((error: Error) => error.message);
    counted[0]++;
    if (outcome === true) counted[1]++;
    else if (this.wrong.length < wrongShownMax) this.wrong.push({ kind, what: outcome ?? '' });
  }
}

function kindAt(point: number): string {
  let left = point;
  for (const [kind, { share }] of Object.entries(comers)) {
    left -= share;
    if (left < 0) return kind;
  }
  return 'https';
}
