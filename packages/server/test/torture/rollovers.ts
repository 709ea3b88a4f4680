/**
 * Issuers that come and go while everything else happens: each time every listener trusts others and shows another certificate. Some are
 * abandoned; others take over, and who signed before is retired, whoever would be lost: nobody is refused for that but who shows a leaf alone.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { RolloverView } from '@portcullis/contract';
import { exchange } from '@portcullis/device';
import { z } from 'zod';
import { Schedule } from '../simulation/schedule.ts';
import type { Arena } from './arena.ts';

const restMs = [100, 1_500] as const;
const answerMs = 10_000;
const retiringShare = 0.25;

export class TorturedRollovers {
  /** How many came, were held by all gates, and went. */
  done = 0;
  /** By name, since when an issuer may be retired. */
  readonly retired = new Map<string, number>();
  readonly #arena: Arena;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  /**
   * A step that was not answered may have been taken: where it is, is asked before each. In the last quarter of the run issuers are retired
   * too: from then on most of those that show a leaf alone are refused.
   */
  async run(seed: number, signal: AbortSignal, milliseconds: number): Promise<void> {
    const chance = new Schedule(seed);
    const retiresFrom = performance.now() + milliseconds * (1 - retiringShare);
    while (!signal.aborted) {
      await pause(chance.between(...restMs), undefined, { signal }).catch(() => undefined);
      if (!signal.aborted) await this.#step(chance, performance.now() >= retiresFrom).catch(() => undefined);
    }
  }

  async #step(chance: Schedule, retires: boolean): Promise<void> {
    const [last] = (await this.#arena.operator.rollovers()).items;
    if (!last || last.phase === 'abandoned' || last.phase === 'retired') {
      await this.#ask('', { what: chance.chance() < 0.5 ? 'device' : 'infrastructure' }, z.unknown());
    } else if (last.phase === 'prepared') await this.#ask('/advance', {});
    else if (last.phase === 'issuing') await this.#retire(last.leaves);
    else if (retires) await this.#ask('/advance', { force: true });
    else if ((await this.#ask('/abandonment', {})).phase === 'abandoned') this.done++;
  }

  /** An answer that is lost leaves open whether they are. */
  async #retire(leaves: readonly string[]): Promise<void> {
    for (const name of leaves) if (!this.retired.has(name)) this.retired.set(name, performance.now());
    if ((await this.#ask('/retirement', { force: true })).phase === 'retired') this.done++;
  }

  #ask<Value = RolloverView>(
    path: string,
    body: object,
    shape: z.ZodType<Value> = RolloverView as never,
  ): Promise<Value> {
    const { link, credential } = this.#arena.operator;
    return exchange(link, `${credential.authority}/v1/rollovers${path}`, body, shape, answerMs);
  }
}
