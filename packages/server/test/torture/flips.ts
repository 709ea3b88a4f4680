/** Operators that forbid and allow devices at random, one of them or several at once, and note when each receipt was given. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Receipt } from '@portcullis/contract';
import { Schedule } from '../simulation/schedule.ts';
import type { Arena } from './arena.ts';
import type { Change } from './history.ts';

/** A change whose answer was lost may or may not have happened: the journal says. */
export interface Asked extends Omit<Change, 'revision' | 'applied'> {
  reason: string;
  receipt: Receipt | undefined;
  failure: string | undefined;
}

const waitLimitMs = 30_000;
const restMsMax = 150;
const askedAgainMs = 400;
const passing: ReadonlySet<string> = new Set([
  'server_unreachable',
  'not_leader',
  'store_unavailable',
  'answer_malformed',
]);
/** Of a change that names thousands, so much is told. */
const whatMax = 200;

type Body =
  | { set: Record<string, string>; subjects: string[] }
  | { action: string; subject: string }
  | { fires: 'hold' | 'suspend'; subject: string }
  | { release: true; subject: string };

export class Flips {
  readonly asked: Asked[] = [];
  readonly #arena: Arena;
  readonly #label: string;

  constructor(arena: Arena, label: string) {
    this.#arena = arena;
    this.#label = label;
  }

  /** Everybody is allowed: the first receipt of a run. */
  async allowAll(): Promise<void> {
    const subjects = this.#arena.devices.map(({ subject }) => subject as string);
    await this.#change({ subjects, set: { status: 'active' } });
  }

  async run(seed: number, signal: AbortSignal): Promise<void> {
    const chance = new Schedule(seed);
    const rest = (most: number) => pause(chance.between(0, most), undefined, { signal }).catch(() => undefined);
    while (!signal.aborted) {
      const [forbid, allow] = this.#pair(chance);
      const forbidden = this.#change(forbid);
      // Now and then the opposite is asked for before the receipt is given.
      if (chance.chance() < 0.85) await forbidden;
      await rest(restMsMax);
      if (allow) await this.#undo(allow, signal);
      await forbidden;
      await rest(restMsMax);
    }
  }

  /** Asked again where it may not have happened: who is forbidden for good takes part in nothing more. */
  async #undo(allow: Body, signal: AbortSignal): Promise<void> {
    while (!(await this.#change(allow)) && !signal.aborted) await pause(askedAgainMs);
  }

  /** Now and then a change that names everybody: by what no gate looks at, or by what all of them do. */
  #bulk(chance: Schedule): [Body, Body?] {
    const devices = this.#arena.devices.map(({ subject }) => subject as string);
    const everybody = [...devices, ...this.#arena.crowd];
    const kind = chance.chance();
    if (kind < 0.6) {
      const lot = `${Math.floor(chance.between(0, 1e9))} `.repeat(8);
      return [{ subjects: everybody, set: { lot } }];
    }
    // In parts: devices and the crowd, or a change and what takes it back, one behind the other.
    if (kind < 0.8) {
      return [
        { subjects: everybody, set: { status: 'off' } },
        { subjects: everybody, set: { status: 'active' } },
      ];
    }
    return [
      { subjects: devices, set: { status: 'off' } },
      { subjects: devices, set: { status: 'active' } },
    ];
  }

  #pair(chance: Schedule): [Body, Body?] {
    if (chance.chance() < 0.02) return this.#bulk(chance);
    if (chance.chance() < 0.02) {
      const { subject } = this.#arena.gateway;
      return [
        { action: 'suspend', subject },
        { action: 'resume', subject },
      ];
    }
    const [subject, ...others] = this.#some(chance, chance.chance() < 0.25 ? Math.ceil(chance.between(1, 8)) : 1);
    const kind = others.length > 0 ? 0 : chance.chance();
    if (kind > 0.995) return [{ action: 'revoke', subject: subject as string }];
    if (kind > 0.85) {
      const named = { subject: subject as string };
      return [
        { fires: kind > 0.92 ? 'hold' : 'suspend', ...named },
        { release: true, ...named },
      ];
    }
    if (kind > 0.6) {
      const named = { subject: subject as string };
      return [
        { action: 'suspend', ...named },
        { action: 'resume', ...named },
      ];
    }
    const subjects = [subject as string, ...others];
    return [
      { subjects, set: { status: 'off' } },
      { subjects, set: { status: 'active' } },
    ];
  }

  #some(chance: Schedule, count: number): string[] {
    const { devices } = this.#arena;
    const some = new Set<string>();
    while (some.size < count) some.add(devices[Math.floor(chance.chance() * devices.length)]?.subject ?? '');
    return [...some];
  }

  /** False: nobody answered, and it may be asked again. */
  async #change(body: Body): Promise<boolean> {
    const reason = `${this.#label}-${this.asked.length}`;
    const asked: Asked = {
      ...{
        what: JSON.stringify(body).slice(0, whatMax),
        reason,
        begin: performance.now(),
        end: Number.POSITIVE_INFINITY,
      },
      ...{ confirmed: undefined, looked: {}, receipt: undefined, failure: undefined },
    };
    this.asked.push(asked);
    try {
      asked.receipt = await this.#ask(body, reason);
    } catch (error) {
      asked.failure = (error as { code?: string }).code ?? (error as Error).message;
    }
    asked.end = performance.now();
    if (asked.receipt?.confirmed) {
      asked.confirmed = asked.receipt.revision;
      asked.looked = this.#arena.stores.looked();
    } else await pause(100);
    return asked.failure === undefined || !passing.has(asked.failure);
  }

  #ask(body: Body, reason: string): Promise<Receipt | undefined> {
    const { operator, monitor } = this.#arena;
    if ('fires' in body) return monitor.fires({ ...body, reason }, waitLimitMs);
    if ('release' in body) return operator.change('holds/release', { subject: body.subject, reason }, waitLimitMs);
    return operator.change('action' in body ? 'standings' : 'attributes', { ...body, reason }, waitLimitMs);
  }
}
