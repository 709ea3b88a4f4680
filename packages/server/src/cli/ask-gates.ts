import { GateView, PortcullisError } from '@portcullis/contract';
import { z } from 'zod';
import type { FleetClient } from './fleet-client.ts';

/** A gate and its address; of one that runs as several processes, that of one of them. */
export interface Gate {
  gate: string;
  url: string;
}

/** What the gates said, in the order of their names, and which could not be asked. */
export interface Asked<Value> {
  answers: (Gate & { value: Value })[];
  failures: (Gate & { error: PortcullisError })[];
}

const Gates = z.object({ items: z.array(GateView) });

/** The gates that may decide now, one address each. @throws {PortcullisError} `server_unreachable` */
export async function gatesOf(client: FleetClient): Promise<(Gate & { workers: number })[]> {
  const { items } = await client.get('/v1/gates', Gates);
  const holding = items.flatMap(({ gate, lease, url, workers = 1 }) =>
    lease === 'held' && url !== null ? [{ gate, url, workers }] : [],
  );
  if (holding.length > 0) return [...new Map(holding.map((one) => [one.url, one])).values()];
  throw new PortcullisError('server_unreachable', 'no gate holds a lease now; "portcullis gate list" shows them');
}

/**
 * Every gate of valid standing that has ever started, by name, whether it can be reached now or not. One that never has started holds
 * nothing and decides nothing.
 */
export async function knownGates(client: Pick<FleetClient, 'get'>): Promise<Gate[]> {
  const { items } = await client.get('/v1/gates', Gates);
  const urls = new Map<string, { url: string; workers: number }>();
  for (const { gate, url, lease, workers = 1 } of items) {
    if (url !== null && (lease === 'held' || !urls.has(gate))) urls.set(gate, { url, workers });
  }
  const gates = [...urls].toSorted(([one], [other]) => (one < other ? -1 : 1));
  return gates.flatMap(([gate, { url, workers }]) => eachWorker({ gate, url, workers }));
}

/** What each of them has stored, refused, seen and counted, it tells alone, whichever takes the connection. By the names that they have in a sink. */
export function eachWorker({ gate, url, workers }: Gate & { workers: number }): Gate[] {
  if (workers === 1) return [{ gate, url }];
  return Array.from({ length: workers }, (_, index) => ({
    gate: index === 0 ? gate : `${gate}#${index + 1}`,
    url: `${url}/v1/workers/${index + 1}`,
  }));
}

/** What a failure is told as; what was not thrown on purpose goes on. */
export function toldOf(error: unknown): { code: string; message: string } {
  if (error instanceof PortcullisError) return { code: error.code, message: error.message };
  throw error;
}

/** The same question to all of them at once: one that does not answer keeps no other from being heard. */
export async function askGates<Value>(
  gates: readonly Gate[],
  ask: (gate: Gate) => Promise<Value>,
): Promise<Asked<Value>> {
  const settled = await Promise.allSettled(gates.map(ask));
  const asked: Asked<Value> = { answers: [], failures: [] };
  for (const [index, outcome] of settled.entries()) {
    const gate = gates[index] as Gate;
    if (outcome.status === 'fulfilled') asked.answers.push({ ...gate, value: outcome.value });
    else if (outcome.reason instanceof PortcullisError) asked.failures.push({ ...gate, error: outcome.reason });
    else throw outcome.reason;
  }
  return asked;
}
