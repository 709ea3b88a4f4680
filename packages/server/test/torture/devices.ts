/** The load: each device keeps a connection to each gate, to each gate over another transport, and sends over it, one request after another, each with ids of its own. */
import { setMaxListeners } from 'node:events';
import { Agent } from 'node:https';
import { setTimeout as pause } from 'node:timers/promises';
import type { Credential } from '@portcullis/device';
import { Schedule } from '../simulation/schedule.ts';
import { CoapWay, type Keys } from './coap-way.ts';
import type { Call } from './history.ts';
import { isDecided } from './liveness.ts';
import { MqttWay } from './mqtt-way.ts';
import { type Carrier, Numbering, SealedWay } from './sealed-way.ts';
import { AskingWay, HttpWay, type Identity, identityOf, type Place, type Way } from './way.ts';

/** What a lane has to speak with. */
interface Means {
  place: Place;
  identity: Identity;
  keys: Keys;
  carrier: Carrier;
  numbering: Numbering;
}

/** Each gate is reached over all of them, and each subject by another one at each gate. */
const ways: Record<string, (means: Means) => Way> = {
  https: ({ place, identity }) => new HttpWay(place, identity),
  'mqtt 5': ({ place, identity }) => new MqttWay(place, identity, 5),
  'mqtt 3.1.1': ({ place, identity }) => new MqttWay(place, identity, 4),
  sealed: ({ place, identity, carrier, numbering }) => new SealedWay(place, identity, carrier, numbering),
  coap: ({ place, keys }) => new CoapWay(place, keys),
  decide: ({ place, identity }) => new AskingWay(place, identity),
};
const shares = ['https', 'mqtt 5', 'sealed', 'coap', 'https', 'mqtt 3.1.1', 'decide'];

interface LoadParts {
  devices: readonly Credential[];
  /** Of the same subjects, in the same order. */
  keys: readonly Keys[];
  /** It carries what is sealed. */
  gateway: Credential;
  gates: readonly Place[];
  /** Requests of all together, when nothing is refused. */
  perSecond: number;
  seed: number;
  /** Makes ids unlike those of other runs. */
  label: string;
  slowness: number;
}

const triedAgainMs = [400, 1_200] as const;
/** As devices do, which wait longer each time that nothing was decided. */
const longerTimesMax = 4;
const recoveryMsMax = 20_000;
/** Nobody listens there: the process has to start first. */
const unreached = ['ECONNREFUSED', 'ENOENT'];
const unreachedTriedAgainMs = [1_000, 3_000] as const;

export class Load {
  readonly calls: Call[] = [];
  readonly #lanes: Lane[];
  readonly #carriers: Carrier[];
  readonly #stop = new AbortController();
  readonly #recoveryMs: number;
  #running: Promise<unknown> = Promise.resolve();

  constructor({ devices, keys, gateway, gates, perSecond, seed, label, slowness }: LoadParts) {
    setMaxListeners(0, this.#stop.signal);
    this.#recoveryMs = recoveryMsMax * slowness;
    const restMs = (slowness * devices.length * gates.length * 1_000) / perSecond;
    const { context, fingerprint } = identityOf(gateway);
    const carriers = gates.map(() => {
      const agent = new Agent({ keepAlive: true, maxSockets: 4, secureContext: context, maxCachedSessions: 0 });
      return { subject: gateway.subject, fingerprint, agent };
    });
    this.#carriers = carriers;
    this.#lanes = devices.flatMap((device, index) => {
      const identity = identityOf(device);
      return gates.map((gate, which) => {
        const chance = new Schedule(seed * 100_000 + index * 16 + which);
        const way = shares[(index + which * 3) % shares.length] as string;
        const means = {
          place: gate,
          identity,
          keys: keys[index] as Keys,
          carrier: carriers[which] as Carrier,
          numbering: new Numbering(),
        };
        return new Lane({ subject: device.subject, means, way, chance, label, restMs, calls: this.calls });
      });
    });
  }

  /** From its next request on, each lane of the subject that is picked sends with this pair. */
  use(credential: Credential, picked: (lane: number) => boolean): void {
    const identity = identityOf(credential);
    const ofSubject = this.#lanes.filter(({ subject }) => subject === credential.subject);
    for (const [index, lane] of ofSubject.entries()) if (picked(index)) lane.use(identity);
  }

  /** Every connection breaks at once, and all come back. */
  storm(): void {
    for (const lane of this.#lanes) lane.breakOff();
    for (const { agent } of this.#carriers) agent.destroy();
  }

  start(): void {
    this.#running = Promise.all(this.#lanes.map((lane) => lane.run(this.#stop.signal)));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  close(): void {
    for (const lane of this.#lanes) lane.close();
    for (const { agent } of this.#carriers) agent.destroy();
  }

  /**
   * What each lane still has is decided now: nothing is wrong any more. Resolves to those that a gate decides nothing for, each
   * with whether it would have been told that it is refused.
   */
  async finish(): Promise<{ call: Call; tells: boolean }[]> {
    const last = await Promise.all(
      this.#lanes.map(async (lane) => ({ call: await lane.finish(this.#recoveryMs), tells: lane.tells })),
    );
    this.close();
    return last.filter(({ call }) => call.status === 0 || call.status === 503);
  }
}

interface LaneParts {
  subject: string;
  means: Means;
  way: string;
  chance: Schedule;
  label: string;
  restMs: number;
  calls: Call[];
}

class Lane {
  readonly #parts: LaneParts;
  #way: Way;
  #means: Means;
  #next: Identity | undefined;
  #number = 0;
  /** Sent, and not known to be acknowledged: the next request repeats it. */
  #pending: string[] = [];

  constructor(parts: LaneParts) {
    this.#parts = parts;
    this.#means = parts.means;
    this.#way = this.#makeWay();
  }

  get subject(): string {
    return this.#parts.subject;
  }

  get tells(): boolean {
    return this.#way.tells;
  }

  use(identity: Identity): void {
    this.#next = identity;
  }

  breakOff(): void {
    this.#way.breakOff();
  }

  close(): void {
    if (this.#way.close) this.#way.close();
    else this.#way.breakOff();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { chance, restMs } = this.#parts;
    const rest = (milliseconds: number) => pause(milliseconds, undefined, { signal }).catch(() => undefined);
    await rest(chance.between(0, restMs));
    for (let times = 1; !signal.aborted; ) {
      const call = await this.#send();
      times = isDecided(call) ? 1 : Math.min(2 * times, longerTimesMax);
      const [least, most] = unreached.includes(call.reason) ? unreachedTriedAgainMs : triedAgainMs;
      await rest(call.status === 202 ? chance.between(0, 2 * restMs) : times * chance.between(least, most));
    }
  }

  async finish(withinMs: number): Promise<Call> {
    const end = performance.now() + withinMs;
    for (;;) {
      const call = await this.#send();
      if (call.status === 202 || call.status === 403 || performance.now() > end) return call;
      await pause(200);
    }
  }

  async #send(): Promise<Call> {
    const { subject, means, way, chance, calls } = this.#parts;
    this.#adopt();
    const { identity, keys, carrier } = this.#means;
    const certificate = way === 'coap' ? keys.fingerprint : identity.fingerprint;
    const gate = means.place.name;
    if (this.#pending.length === 0) this.#pending = this.#newIds();
    const ids = this.#pending;
    const begin = performance.now();
    const { carried, ...answer } = await this.#way.send(ids);
    const asked = { gate, way, begin, end: performance.now() };
    const shown = way === 'decide' ? { issuer: identity.issuer } : {};
    const call: Call = { ...asked, subject, certificate, ...shown, ids, ...answer };
    calls.push(call);
    // Whoever carries is judged for itself.
    const { subject: by, fingerprint } = carrier;
    if (carried) calls.push({ ...asked, way: 'carrying', subject: by, certificate: fingerprint, ids: [], ...carried });
    // A refused one is given up as often as it is tried again.
    if (call.status === 202 || (call.status === 403 && chance.chance() < 0.5)) this.#pending = [];
    return call;
  }

  #adopt(): void {
    if (!this.#next) return;
    this.close();
    this.#means = { ...this.#means, identity: this.#next };
    this.#next = undefined;
    this.#way = this.#makeWay();
  }

  #makeWay(): Way {
    return (ways[this.#parts.way] as (typeof ways)[string])(this.#means);
  }

  /** Most requests carry one reading, some carry several. */
  #newIds(): string[] {
    const { chance, label, subject } = this.#parts;
    const many = Math.min(this.#way.most, chance.chance() < 0.9 ? 1 : Math.ceil(chance.between(1, 5)));
    return Array.from({ length: many }, () => `${label}-${subject}-${++this.#number}`);
  }
}
