/** Issuers that come and go while everything else happens: each time every listener trusts others and shows another certificate, and nobody is refused for it. */
import { setTimeout as pause } from 'node:timers/promises';
import { RolloverView } from '@portcullis/contract';
import { exchange } from '@portcullis/device';
import { z } from 'zod';
import { Schedule } from '../simulation/schedule.ts';
import type { Arena } from './arena.ts';

const restMs = [100, 1_500] as const;
const answerMs = 10_000;

export class TorturedRollovers {
  /** How many came, were held by all gates, and went. */
  done = 0;
  readonly #arena: Arena;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  /** A step that was not answered may have been taken: where it is, is asked before each. */
  async run(seed: number, signal: AbortSignal): Promise<void> {
    const chance = new Schedule(seed);
    while (!signal.aborted) {
      await pause(chance.between(...restMs), undefined, { signal }).catch(() => undefined);
      if (!signal.aborted) await this.#step(chance.chance() < 0.5 ? 'device' : 'infrastructure').catch(() => undefined);
    }
  }

  async #step(what: 'device' | 'infrastructure'): Promise<void> {
    const phase = (await this.#arena.operator.rollovers()).items[0]?.phase ?? 'abandoned';
    if (phase === 'abandoned') await this.#ask('', { what }, z.unknown());
    else if (phase === 'prepared') await this.#ask('/advance', {});
    else if ((await this.#ask('/abandonment', {})).phase === 'abandoned') this.done++;
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
