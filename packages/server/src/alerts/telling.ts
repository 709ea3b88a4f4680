import type { Store } from '../storage/storage.ts';
import { aTurn, type Log, type System } from '../telemetry/telemetry.ts';
import { Courier } from './courier.ts';
import { loop } from './loop.ts';
import type { Teller } from './message.ts';
import type { Alerts } from './promises.ts';
import { pruneSome } from './prune.ts';
import type { AlertRoute } from './routes.ts';
import { type Manner, routeSome } from './routing.ts';

export interface Target extends Manner {
  teller: Teller;
  limitMs: number;
}

export interface TellingParts {
  store: Store;
  alerts: Alerts;
  system: System;
  log: Log;
  targets: readonly Target[];
  routes?: readonly AlertRoute[] | undefined;
}

const pruneMs = 3_600_000;

/** Gives alerts to their targets and tells those, from the store alone: what an earlier run left is gone on with. */
export function tellTargets(parts: TellingParts): AsyncDisposable {
  const ended = new AbortController();
  const couriers = parts.targets.map((target) => {
    const { teller, limitMs, ...manner } = target;
    return new Courier({ ...parts, manner, teller, limitMs });
  });
  const loops = couriers.map((courier) =>
    loop(parts, ended.signal, `target "${courier.target}"`, () => round(courier, ended.signal, parts)),
  );
  const routing = loop(parts, ended.signal, 'the outbox', async () => {
    const { targets: manners, routes, system, store } = parts;
    while (await store.change((db) => routeSome(db, { manners, routes, system }))) await aTurn();
    for (const one of loops) one.wake();
    return Number.POSITIVE_INFINITY;
  });
  const pruning = loop(parts, ended.signal, 'what was told long ago', async () => {
    await withdrawStrangers(parts);
    for (let after: number | undefined = 0; after !== undefined && !ended.signal.aborted; await aTurn()) {
      const from: number = after;
      after = await parts.store.change((db) => pruneSome(db, from, parts.system.now()), { durable: false });
    }
    return parts.system.now() + pruneMs;
  });
  const stop = parts.alerts.onWork((kind) => {
    if (kind === 'retry') for (const courier of couriers) courier.tryNow();
    routing.wake();
  });
  for (const one of [routing, pruning, ...loops]) one.wake();
  return {
    async [Symbol.asyncDispose]() {
      stop();
      ended.abort();
      await Promise.all([routing, pruning, ...loops].map((one) => one.done()));
    },
  };
}

/** All that is due, one after the other; then when it has to be looked at again. */
async function round(courier: Courier, signal: AbortSignal, { system }: TellingParts): Promise<number> {
  while (!signal.aborted && (await courier.step(signal))) await aTurn();
  return Math.max(await courier.nextAt(), system.now());
}

/** What waits for a target that `fleet.yaml` names no more. */
async function withdrawStrangers({ store, targets }: TellingParts): Promise<void> {
  const names = targets.map(({ name }) => name);
  await store.change((db) =>
    db
      .updateTable('alertMessages')
      .set({ state: 'withdrawn', dueAt: null, error: 'fleet.yaml names no such target any more' })
      .where('target', 'not in', names)
      .where('dueAt', 'is not', null)
      .execute(),
  );
}
