/** Devices that renew while everything else happens: one lane of each goes over before the old pair is superseded, the others meet the cut. */
import { setTimeout as pause } from 'node:timers/promises';
import { confirm, renew } from '@portcullis/device';
import { Schedule } from '../simulation/schedule.ts';
import type { Arena } from './arena.ts';
import type { Load } from './devices.ts';

const restMs = [200, 1_500] as const;
const confirmedAfterMs = [0, 600] as const;

export class Renewals {
  done = 0;
  readonly #arena: Arena;
  readonly #load: Load;

  constructor(arena: Arena, load: Load) {
    this.#arena = arena;
    this.#load = load;
  }

  /** Each device once, in an order that the seed decides; one that fails is tried again. */
  async run(seed: number, signal: AbortSignal): Promise<void> {
    const chance = new Schedule(seed);
    const rest = (range: readonly [number, number]) =>
      pause(chance.between(...range), undefined, { signal }).catch(() => undefined);
    const left = [...this.#arena.devices.keys()].filter((index) => !this.#arena.renewed.has(index));
    while (left.length > 0 && !signal.aborted) {
      await rest(restMs);
      const [index] = left.splice(Math.floor(chance.chance() * left.length), 1) as [number];
      const renewed = await this.#renew(index, () => rest(confirmedAfterMs)).catch(() => false);
      if (!renewed) left.push(index);
    }
  }

  /** What was begun is ended, also when the run is over meanwhile: a pair that is used is one that is kept. */
  async #renew(index: number, rest: () => Promise<unknown>): Promise<boolean> {
    const { devices, renewed, directoryOf } = this.#arena;
    const directory = directoryOf(index);
    const credential = devices[index];
    if (!credential) return false;
    const next = credential.unconfirmed ? credential : await renew({ credential, directory });
    devices[index] = next;
    this.#load.use(next, (lane) => lane === 0);
    await rest();
    devices[index] = await confirm({ credential: next, directory });
    this.#load.use(next, () => true);
    renewed.add(index);
    this.done++;
    return true;
  }
}
