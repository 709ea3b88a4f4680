/** The load: each device keeps a connection to each gate and sends over it, one request after another, each with ids of its own. */
import { setMaxListeners } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import type { Credential } from '@portcullis/device';
import { Schedule } from '../simulation/schedule.ts';
import type { Call } from './history.ts';
import { MqttWay } from './mqtt-way.ts';
import { AskingWay, HttpWay, type Identity, identityOf, type Place, type Way } from './way.ts';

/** Each gate is reached over all of them, and each subject by another one at each gate. */
const ways: Record<string, (place: Place, identity: Identity) => Way> = {
  https: (place, identity) => new HttpWay(place, identity),
  'mqtt 5': (place, identity) => new MqttWay(place, identity, 5),
  'mqtt 3.1.1': (place, identity) => new MqttWay(place, identity, 4),
  decide: (place, identity) => new AskingWay(place, identity),
};
const shares = ['https', 'mqtt 5', 'https', 'mqtt 3.1.1', 'https', 'mqtt 5', 'decide'];

interface LoadParts {
  devices: readonly Credential[];
  gates: readonly Place[];
  /** Requests of all together, when nothing is refused. */
  perSecond: number;
  seed: number;
  /** Makes ids unlike those of other runs. */
  label: string;
}

const recoveryMsMax = 20_000;
const triedAgainMs = [400, 1_200] as const;
/** Nobody listens there: the process has to start first. */
const unreached = ['ECONNREFUSED', 'ENOENT'];
const unreachedTriedAgainMs = [1_000, 3_000] as const;

export class Load {
  readonly calls: Call[] = [];
  readonly #lanes: Lane[];
  readonly #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor({ devices, gates, perSecond, seed, label }: LoadParts) {
    setMaxListeners(0, this.#stop.signal);
    const restMs = (devices.length * gates.length * 1_000) / perSecond;
    this.#lanes = devices.flatMap((device, index) => {
      const identity = identityOf(device);
      return gates.map((gate, which) => {
        const chance = new Schedule(seed * 100_000 + index * 16 + which);
        const way = shares[(index + which * 3) % shares.length] as string;
        return new Lane({ subject: device.subject, gate, way, identity, chance, label, restMs, calls: this.calls });
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
  }

  start(): void {
    this.#running = Promise.all(this.#lanes.map((lane) => lane.run(this.#stop.signal)));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /**
   * What each lane still has is decided now: nothing is wrong any more. Resolves to those that a gate decides nothing for. `admitted`: where who
   * is refused is told nothing, those count whom a gate had to admit.
   */
  async finish(): Promise<{ call: Call; tells: boolean }[]> {
    const last = await Promise.all(this.#lanes.map(async (lane) => ({ call: await lane.finish(), tells: lane.tells })));
    for (const lane of this.#lanes) lane.breakOff();
    return last.filter(({ call }) => call.status === 0 || call.status === 503);
  }
}

interface LaneParts {
  subject: string;
  gate: Place;
  way: string;
  identity: Identity;
  chance: Schedule;
  label: string;
  restMs: number;
  calls: Call[];
}

class Lane {
  readonly #parts: LaneParts;
  #way: Way;
  #identity: Identity;
  #next: Identity | undefined;
  #number = 0;
  /** Sent, and not known to be acknowledged: the next request repeats it. */
  #pending: string[] = [];

  constructor(parts: LaneParts) {
    this.#parts = parts;
    this.#identity = parts.identity;
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

  async run(signal: AbortSignal): Promise<void> {
    const { chance, restMs } = this.#parts;
    const rest = (milliseconds: number) => pause(milliseconds, undefined, { signal }).catch(() => undefined);
    await rest(chance.between(0, restMs));
    while (!signal.aborted) {
      const { status, reason } = await this.#send();
      const [least, most] = unreached.includes(reason) ? unreachedTriedAgainMs : triedAgainMs;
      await rest(status === 202 ? chance.between(0, 2 * restMs) : chance.between(least, most));
    }
  }

  async finish(): Promise<Call> {
    const end = performance.now() + recoveryMsMax;
    for (;;) {
      const call = await this.#send();
      if (call.status === 202 || call.status === 403 || performance.now() > end) return call;
      await pause(200);
    }
  }

  async #send(): Promise<Call> {
    const { subject, gate, way, chance, calls } = this.#parts;
    this.#adopt();
    const { fingerprint: certificate } = this.#identity;
    if (this.#pending.length === 0) this.#pending = this.#newIds();
    const ids = this.#pending;
    const begin = performance.now();
    const answer = await this.#way.send(ids);
    const call = { gate: gate.name, way, subject, certificate, ids, begin, end: performance.now(), ...answer };
    calls.push(call);
    // A refused one is given up as often as it is tried again.
    if (call.status === 202 || (call.status === 403 && chance.chance() < 0.5)) this.#pending = [];
    return call;
  }

  #adopt(): void {
    if (!this.#next) return;
    this.#way.breakOff();
    this.#identity = this.#next;
    this.#next = undefined;
    this.#way = this.#makeWay();
  }

  #makeWay(): Way {
    const { way, gate } = this.#parts;
    return (ways[way] as (typeof ways)[string])(gate, this.#identity);
  }

  /** Most requests carry one reading, some carry several. */
  #newIds(): string[] {
    const { chance, label, subject } = this.#parts;
    if (!this.#way.stores) return [];
    const many = chance.chance() < 0.9 ? 1 : Math.ceil(chance.between(1, 5));
    return Array.from({ length: many }, () => `${label}-${subject}-${++this.#number}`);
  }
}
