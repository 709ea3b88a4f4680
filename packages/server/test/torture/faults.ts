/** What goes wrong, and when: a plan that the seed decides, and how each of it is done and undone. */
import { setTimeout as pause } from 'node:timers/promises';
import { Schedule } from '../simulation/schedule.ts';
import type { Arena } from './arena.ts';
import type { GateChild } from './gate-child.ts';

export interface Fault {
  /** Milliseconds from the begin of the run. */
  at: number;
  forMs: number;
  kind: keyof typeof gateFaults | keyof typeof authorityFaults;
}

interface Done<Target> {
  begin(target: Target): void | Promise<void>;
  end(target: Target): void | Promise<void>;
}

const cut = (...directions: ('there' | 'back')[]): Done<GateChild> => ({
  begin: ({ passage }) => passage.cut(...directions),
  end: ({ passage }) => passage.heal(),
});

export const gateFaults = {
  'gate killed': { begin: (gate) => gate.kill(), end: (gate) => gate.start() },
  'gate paused': { begin: (gate) => gate.pause(), end: (gate) => gate.resume() },
  'gate stopped': { begin: (gate) => gate.stop(), end: (gate) => gate.start() },
  'network cut there': cut('there'),
  'network cut back': cut('back'),
  'network cut in both': cut('there', 'back'),
  'network slow': {
    begin: ({ passage }) => {
      passage.delayMs = 300;
    },
    end: ({ passage }) => {
      passage.delayMs = 0;
    },
  },
  'network torn': { begin: ({ passage }) => passage.tear(), end: ({ passage }) => passage.tear() },
  'disk slow': {
    begin: (gate) => gate.disk({ beforeMs: 150, afterMs: 300 }),
    end: (gate) => gate.disk(usualDisk),
  },
} as const satisfies Record<string, Done<GateChild>>;

export const authorityFaults = {
  'authority killed': { begin: (arena) => arena.killAuthority(), end: (arena) => arena.startAuthority() },
  'authority paused': { begin: (arena) => arena.pauseAuthority(), end: (arena) => arena.resumeAuthority() },
} as const satisfies Record<string, Done<Arena>>;

export const usualDisk = { beforeMs: 5, afterMs: 5 };

/** One of each in turn, in an order that chance decides, so that a short run has met them all. */
function planTrack(chance: Schedule, kinds: Fault['kind'][], until: number, restMs: [number, number]): Fault[] {
  const plan: Fault[] = [];
  if (kinds.length === 0) return plan;
  let left: Fault['kind'][] = [];
  for (let at = chance.between(500, 1_500); at < until; ) {
    if (left.length === 0) left = [...kinds];
    const [kind] = left.splice(Math.floor(chance.chance() * left.length), 1) as [Fault['kind']];
    // Half of them are over before a lease is, half last longer.
    const forMs = chance.chance() < 0.5 ? chance.between(100, 1_500) : chance.between(1_500, 4_000);
    plan.push({ at, forMs, kind });
    at += forMs + chance.between(...restMs);
  }
  return plan;
}

/** A track of faults for each gate, and one for the authority: within a track one at a time. `only`: of these kinds; all, if empty. */
export function planFaults(
  seed: number,
  gates: number,
  milliseconds: number,
  only: readonly string[] = [],
): { gates: Fault[][]; authority: Fault[] } {
  const wanted = (kinds: object) =>
    (Object.keys(kinds) as Fault['kind'][]).filter((kind) => only.length === 0 || only.includes(kind));
  const track = (index: number, kinds: object, restMs: [number, number]) =>
    planTrack(new Schedule(seed * 16 + index), wanted(kinds), milliseconds, restMs);
  return {
    gates: Array.from({ length: gates }, (_, index) => track(index + 1, gateFaults, [1_000, 4_000])),
    authority: track(0, authorityFaults, [5_000, 15_000]),
  };
}

/** Plays a track to its end, or until told to stop; what was begun is undone. */
export async function playTrack<Target>(
  track: Fault[],
  target: Target,
  how: Record<string, Done<Target>>,
  signal: AbortSignal,
  onFault: (kind: string) => void,
): Promise<void> {
  const began = performance.now();
  const rest = (milliseconds: number) => pause(milliseconds, undefined, { signal }).catch(() => undefined);
  for (const { at, forMs, kind } of track) {
    await rest(Math.max(0, at - (performance.now() - began)));
    if (signal.aborted) return;
    onFault(kind);
    const fault = how[kind] as Done<Target>;
    await fault.begin(target);
    await rest(forMs);
    await fault.end(target);
  }
}
