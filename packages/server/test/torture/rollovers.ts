/** Issuers that follow each other while everything else happens: nobody is refused for it, and no gate is without a certificate. */
import { setTimeout as pause } from 'node:timers/promises';
import { RolloverView } from '@portcullis/contract';
import { exchange } from '@portcullis/device';
import { z } from 'zod';
import { Schedule } from '../simulation/schedule.ts';
import type { Arena } from './arena.ts';

const restMs = [100, 1_500] as const;
const answerMs = 10_000;

export class TorturedRollovers {
  /** How many were gone through, from their begin to their end. */
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
    const phase = (await this.#arena.operator.rollovers()).items[0]?.phase ?? 'retired';
    if (phase === 'retired') await this.#ask('', { what }, z.unknown());
    else if (phase === 'issuing')
      this.done += (await this.#ask('/retirement', { force: true })).phase === 'retired' ? 1 : 0;
    else await this.#ask('/advance', { force: true });
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
