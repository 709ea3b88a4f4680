/** Readings as gates tell them: which are edges, and which is the newest. Written from the words of `contract/edges.ts` alone. */
import { createHash } from 'node:crypto';

export interface Reading {
  gate: string;
  at: number;
  side: 'outside' | 'inside';
  ruleRevision?: number;
  unproven?: boolean;
}

export interface ToldEdge {
  gate: string;
  id: string;
  source: string;
  number: number;
  at: number;
  receivedAt: number;
  after: number | null;
  side: 'outside' | 'inside';
  ruleRevision: number;
  late: boolean;
  unproven: boolean;
  pauseMs: number;
}

export interface ToldNewest {
  gate: string;
  at: number;
  side: 'outside' | 'inside';
}

const runPauseMs = 60_000;

export const sourceOf = (gate: string) => createHash('sha256').update(gate).digest('hex').slice(0, 32);

/** In the order in which they came in. */
export function toldOf(readings: readonly Reading[]): { edges: ToldEdge[]; newest: ToldNewest[] } {
  const edges: ToldEdge[] = [];
  const newest = new Map<string, ToldNewest & { ruleRevision: number }>();
  for (const [index, { gate, at, side, ruleRevision = 1, unproven = false }] of readings.entries()) {
    const last = newest.get(gate);
    const late = last !== undefined && at < last.at;
    const isEdge =
      late || unproven || last?.side !== side || last.ruleRevision !== ruleRevision || at - last.at > runPauseMs;
    const source = sourceOf(gate);
    const told = { gate, id: `${source}:${index}`, source, number: index, at, receivedAt: index, side, ruleRevision };
    if (isEdge) edges.push({ ...told, after: last?.at ?? null, late, unproven, pauseMs: runPauseMs });
    if (!late) newest.set(gate, { gate, at, side, ruleRevision });
  }
  return { edges, newest: [...newest.values()].map(({ gate, at, side }) => ({ gate, at, side })) };
}
