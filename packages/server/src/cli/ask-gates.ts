import { GateView, PortcullisError } from '@portcullis/contract';
import { z } from 'zod';
import type { FleetClient } from './fleet-client.ts';

/** A gate that may decide now. */
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
export async function gatesOf(client: FleetClient): Promise<Gate[]> {
  const { items } = await client.get('/v1/gates', Gates);
  const holding = items.flatMap(({ gate, lease, url }) => (lease === 'held' && url !== null ? [{ gate, url }] : []));
  if (holding.length > 0) return [...new Map(holding.map((one) => [one.url, one])).values()];
  throw new PortcullisError('server_unreachable', 'no gate holds a lease now; "portcullis gate list" shows them');
}

export async function gateUrls(client: FleetClient): Promise<string[]> {
  return (await gatesOf(client)).map(({ url }) => url);
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
