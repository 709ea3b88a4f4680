/** A real authority and a real gate, connections that come and go, changes meanwhile, and a look at the memory of both now and then. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { credentialFileIn, readCredential } from '@portcullis/device';
import { FleetCertificates } from '../fleet-certificates.ts';
import { House } from '../house.ts';
import { Operator } from '../operator.ts';
import { Schedule } from '../simulation/schedule.ts';
import { HttpWay, type Identity, identityOf, type Place } from '../torture/way.ts';
import { Coming, type Counts } from './comers.ts';
import { memoryOf, tellingMemory } from './memory.ts';
import { judge, looksMin, type Sample, type Verdict } from './verdict.ts';

export interface SoakOptions {
  seed: number;
  milliseconds: number;
  /** What is made once, and what fills to its bound, is not looked at. */
  warmUpMs: number;
  everyMs: number;
  perSecond: number;
  /** Changes wait for their receipts, and for so long. */
  changeEveryMs: number;
  /** What the gate does wrong; empty: nothing. */
  broken: string;
  onSample(sample: Sample, afterMs: number): void;
}

type Times = Pick<SoakOptions, 'milliseconds' | 'warmUpMs' | 'everyMs'>;

export interface SoakReport extends Verdict {
  seed: number;
  minutes: number;
  looks: number;
  connections: Counts;
  wrong: Coming['wrong'];
  changes: { done: number; cut: number; failed: number };
}

const devices = 12;
/** Of so many changes one takes a device's standing, and gives it back. */
const cutEach = 5;

class Changing {
  readonly done = { done: 0, cut: 0, failed: 0 };
  readonly #operator: Operator;
  readonly #subjects: readonly string[];
  readonly #cut: Identity;
  readonly #place: Place;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(
    operator: Operator,
    { subjects, cut, place, everyMs }: { subjects: readonly string[]; cut: Identity; place: Place; everyMs: number },
  ) {
    [this.#operator, this.#subjects, this.#cut, this.#place] = [operator, subjects, cut, place];
    this.#running = this.#run(everyMs);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(everyMs: number): Promise<void> {
    const { signal } = this.#stop;
    for (let number = 1; !signal.aborted; number++) {
      const change = number % cutEach === 0 ? this.#cutOne() : this.#set(number);
      await change.catch(() => this.done.failed++);
      await pause(everyMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #set(number: number): Promise<void> {
    const subject = this.#subjects[number % this.#subjects.length] as string;
    await this.#operator.set(subject, { zone: `zone-${number}` });
    this.done.done++;
  }

  /** With a connection that is open meanwhile. */
  async #cutOne(): Promise<void> {
    const { subject } = this.#cut.credential;
    const way = new HttpWay(this.#place, this.#cut);
    try {
      await way.send([]);
      await this.#operator.stand('suspend', subject);
    } finally {
      await this.#operator.stand('resume', subject);
      way.breakOff();
    }
    this.done.cut++;
  }
}

async function identities(house: House, count: number): Promise<Identity[]> {
  const made: Identity[] = [];
  for (let number = 1; number <= count; number++) {
    const directory = await house.device(`truck-${number}`);
    made.push(identityOf(readCredential(credentialFileIn(directory))));
  }
  return made;
}

/** How often it looks; undefined: so seldom that nothing could be said. */
export function looksOf({ milliseconds, warmUpMs, everyMs }: Times): number | undefined {
  const looks = Math.floor((milliseconds - warmUpMs) / everyMs) + 1;
  return looks < looksMin ? undefined : looks;
}

export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { seed, perSecond, changeEveryMs: everyMs, broken } = options;
  const house = await House.open((made) => {
    const directory = memoryIn(made);
    mkdirSync(directory);
    Object.assign(made.environments.authority, tellingMemory(directory));
    Object.assign(made.environments.gate, tellingMemory(directory), broken && { SOAK_BREAK: broken });
  });
  const operator = new Operator(house.fleet);
  try {
    const [suspended, cut, ...sending] = await identities(house, devices + 2);
    if (!suspended || !cut) throw new Error('there are no devices');
    await operator.stand('suspend', suspended.credential.subject);
    const mqttPort = Number(new URL(house.mqttUrl).port);
    const place = { name: 'gate-1', url: house.gateUrl, mqttPort, coapPort: 0, decideSocket: '' };
    const stranger = await (await FleetCertificates.make('other-fleet')).leaf({ subject: 'truck-1' });
    const withoutMqtt = [...sending];
    const parts = {
      place,
      devices: sending,
      withoutMqtt,
      suspended,
      stranger,
      chance: new Schedule(seed),
      label: `soak-${seed}`,
    };
    const coming = new Coming(parts, perSecond);
    const subjects = sending.map(({ credential }) => credential.subject);
    const changing = new Changing(operator, { subjects, cut, place, everyMs });
    const samples = await looks(house, options);
    await Promise.all([coming.stop(), changing.stop()]);
    const minutes = options.milliseconds / 60_000;
    const told = { connections: coming.counts, wrong: coming.wrong, changes: changing.done };
    return { ...judge(samples), seed, minutes, looks: samples.length, ...told };
  } finally {
    operator.close();
    await house.close();
  }
}

const memoryIn = ({ home }: House) => join(home, 'memory');

/** Those after the warm-up. */
async function looks(house: House, options: SoakOptions): Promise<Sample[]> {
  const { milliseconds, warmUpMs, everyMs, onSample } = options;
  const begun = performance.now();
  const samples: Sample[] = [];
  for (let due = warmUpMs; due <= milliseconds; due += everyMs) {
    await pause(Math.max(0, begun + due - performance.now()));
    const [gate, authority] = await Promise.all(
      [house.gate, house.authority].map((one) => memoryOf(memoryIn(house), one?.process.pid as number)),
    );
    const sample = { gate, authority } as Sample;
    samples.push(sample);
    onSample(sample, performance.now() - begun);
  }
  return samples;
}
