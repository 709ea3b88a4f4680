/** What is killed: started, and told to end in the middle of whatever it does. Each is as a supervisor sees it, which knows nothing but to start it again. */
import { setTimeout as pause } from 'node:timers/promises';
import { Schedule } from '../simulation/schedule.ts';
import type { Arena } from '../torture/arena.ts';
import type { Disturbance } from '../torture/liveness.ts';

export interface Victim {
  name: string;
  kind: 'authority' | 'gate' | 'desk' | 'device';
  /** Whom it takes along when it is away: the gate of that name, or all of them. */
  ofGate: string | undefined;
  /** How long it lives at most, once it serves: long enough for some of what it is there for. */
  lifeMsMax: number;
  /** Resolves once it serves; rejects where it ended before. */
  start(): Promise<void>;
  kill(): Promise<void>;
}

export function housesVictims(arena: Arena): Victim[] {
  return [
    {
      // Longer than the others: without it gates decide nothing, and there is nothing to lose.
      ...{ name: 'authority', kind: 'authority', ofGate: undefined, lifeMsMax: 24_000 },
      start: () => arena.startAuthority(),
      kill: () => arena.killAuthority(),
    },
    {
      ...{ name: 'desk', kind: 'desk', ofGate: 'desk', lifeMsMax: 4_000 },
      start: () => arena.desk.start(),
      kill: () => arena.desk.kill(),
    },
    ...arena.gates.map(
      (gate): Victim => ({
        ...{ name: gate.name, kind: 'gate', ofGate: gate.name, lifeMsMax: 5_000 },
        start: async () => {
          if (!(await gate.startOnce())) throw new Error(`${gate.name} ended; it said:\n${gate.last().join('\n')}`);
        },
        kill: () => gate.kill(),
      }),
    ),
  ];
}

export interface Killed {
  name: string;
  kind: Victim['kind'];
  /** It did not serve yet: what is left of the kill before is being repaired. */
  starting: boolean;
}

interface Killing {
  seed: number;
  signal: AbortSignal;
  onKill(killed: Killed): void;
  onFault(fault: Disturbance): void;
}

/** Of kills that come before it serves. */
const whileStartingShare = 0.25;
const triedAgainMs = 1_000;
/** Tries that end by themselves, one after the other, while nobody kills it: a supervisor would go on, a test knows enough. */
const triesMax = 60;

/** Kills one again and again, at a time that chance decides, until told to stop; then it serves. Resolves to how often it ended by itself. */
export async function haunt(victim: Victim, { seed, signal, onKill, onFault }: Killing): Promise<number> {
  const chance = new Schedule(seed);
  const { name, kind, ofGate: gate } = victim;
  let endedByItself = 0;
  let startMs = 1_000;
  while (!signal.aborted) {
    const onItsWay = chance.chance() < whileStartingShare;
    // Half of them live for a moment alone.
    const lives =
      chance.chance() < 0.5 ? chance.between(0, victim.lifeMsMax / 10) : chance.between(0, victim.lifeMsMax);
    await pause(onItsWay ? 0 : lives, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) break;
    const fault = { gate, kind: `${kind} killed`, begin: performance.now(), end: Number.POSITIVE_INFINITY };
    onFault(fault);
    await victim.kill();
    onKill({ name, kind, starting: false });
    if (onItsWay) {
      const starting = victim.start().catch(() => undefined);
      await Promise.race([starting, pause(chance.between(0, startMs))]);
      await victim.kill();
      onKill({ name, kind, starting: true });
      await starting;
    }
    const begun = performance.now();
    endedByItself += await served(victim);
    startMs = performance.now() - begun;
    fault.end = performance.now();
  }
  return endedByItself;
}

/** Started as often as it takes. Resolves to how often it ended before it served, as one does whose authority was killed meanwhile. */
async function served(victim: Victim): Promise<number> {
  for (let tries = 0; ; tries++) {
    try {
      await victim.start();
      return tries;
    } catch (error) {
      if (tries === triesMax) throw error;
      await victim.kill();
      await pause(triedAgainMs);
    }
  }
}
