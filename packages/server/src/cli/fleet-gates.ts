import { GateView, PortcullisError } from '@portcullis/contract';
import { z } from 'zod';
import type { FleetClient } from './fleet-client.ts';

/** A gate that has told its address, whether it can be reached now or not. */
export interface FleetGate {
  gate: string;
  url: string;
}

const Gates = z.object({ items: z.array(GateView) });

/** Every gate of valid standing that has ever started, by name; one that never has holds nothing and decides nothing. */
export async function gatesOf(client: Pick<FleetClient, 'get'>): Promise<FleetGate[]> {
  const { items } = await client.get('/v1/gates', Gates);
  const urls = new Map<string, string>();
  for (const { gate, url, lease } of items) {
    if (url !== null && (lease === 'held' || !urls.has(gate))) urls.set(gate, url);
  }
  return [...urls].map(([gate, url]) => ({ gate, url })).toSorted((one, other) => (one.gate < other.gate ? -1 : 1));
}

export function failureOf(error: unknown): { code: string; message: string } {
  if (error instanceof PortcullisError) return { code: error.code, message: error.message };
  throw error;
}
