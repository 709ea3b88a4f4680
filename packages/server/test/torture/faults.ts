/**
 * What goes wrong, and when: a plan that the seed decides, and how each of it is done and undone. A copied identity is no fault of its own:
 * one of the gates is a copy, from the begin to the end, and both meet all the others.
 * Two faults have stories instead. A stepped clock needs a library that fakes it, and of the processes of one machine each its own; that
 * is `stories/faults/clock`. A restored backup rewrites the journal, which is what a history is held against; `stories/faults/restore`.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Schedule } from '../simulation/schedule.ts';
import { type Arena, leaseMsLeast } from './arena.ts';
import type { Authorities, Member } from './authorities.ts';
import type { DeskChild } from './desk-child.ts';
import type { GateChild } from './gate-child.ts';
import type { Disturbance } from './liveness.ts';

export interface Fault {
  /** Milliseconds from the begin of the run. */
  at: number;
  forMs: number;
  kind:
    | keyof typeof gateFaults
    | keyof typeof authorityFaults
    | keyof typeof leadershipFaults
    | keyof typeof deskFaults;
}

interface Done<Target> {
  begin(target: Target): void | Promise<void>;
  end(target: Target): void | Promise<void>;
}

const cut = (...directions: ('there' | 'back')[]): Done<GateChild> => ({
  begin: ({ passage }) => passage.cut(...directions),
  end: ({ passage }) => passage.heal(),
});

/** It runs with other settings for a while. */
const configured = (from: string, to: string): Done<GateChild> => ({
  begin: (gate) => gate.configure(gate.settings.replace(from, to)),
  end: (gate) => gate.configure(gate.settings),
});
const usualPolicy = 'expect: { status: active }';

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
  // Whom these admit, the usual one does too. The second looks at an attribute that needs a snapshot first.
  'policy in other words': configured(usualPolicy, 'expect: { status: { in: [active, away] } }'),
  'policy stricter': configured(usualPolicy, 'expect: { status: active, ward: blue }'),
  'policy not valid': configured(usualPolicy, 'expect: { status: ['),
} as const satisfies Record<string, Done<GateChild>>;

export const authorityFaults = {
  'authority killed': { begin: (arena) => arena.killAuthority(), end: (arena) => arena.startAuthority() },
  'authority paused': { begin: (arena) => arena.pauseAuthority(), end: (arena) => arena.resumeAuthority() },
  'authority with a shorter lease': {
    begin: (arena) => arena.restartAuthority('SIGTERM', 0.35),
    end: (arena) => arena.restartAuthority('SIGKILL', 1),
  },
  'authority with a longer lease': {
    begin: (arena) => arena.restartAuthority('SIGKILL', 2),
    end: (arena) => arena.restartAuthority('SIGTERM', 1),
  },
  // In this track, since an authority does not start without its token.
  'token gone': { begin: (arena) => arena.takeTokenAway(), end: (arena) => arena.token?.bringBack() },
} as const satisfies Record<string, Done<Arena>>;

type OfMember = (member: Member, all: Authorities) => void | Promise<void>;

/** Where there are two authorities. Whom it met is let go again, whoever leads by then. */
function ofMember(which: 'leader' | 'standby', begin: OfMember, end: OfMember): Done<Arena> {
  let met: Member | undefined;
  return {
    begin: ({ authorities }) => {
      if (!authorities) return;
      met = authorities[which];
      return begin(met, authorities);
    },
    end: ({ authorities }) => (authorities && met ? end(met, authorities) : undefined),
  };
}
const started: OfMember = (member) => member.start();

export const leadershipFaults = {
  'leader killed': ofMember('leader', (member) => member.kill(), started),
  'leader stopped': ofMember('leader', (member) => member.stop(), started),
  'leader paused': ofMember(
    'leader',
    (member) => member.pause(),
    (member) => member.signal('SIGCONT'),
  ),
  'leader without its database': ofMember(
    'leader',
    ({ database }) => database.cut('there', 'back'),
    ({ database }) => database.heal(),
  ),
  'answers of its database held up': ofMember(
    'leader',
    ({ database }) => database.cut('back'),
    ({ database }) => database.heal(),
  ),
  'leader torn from its database': ofMember(
    'leader',
    ({ database }) => database.tear(),
    ({ database }) => database.tear(),
  ),
  'standby killed': ofMember('standby', (member) => member.kill(), started),
  'database killed': ofMember(
    'leader',
    (_, { database }) => database.kill(),
    (_, { database }) => database.start(),
  ),
  'database replaced by its copy': ofMember(
    'leader',
    (_, { database }) => database.replace(),
    (_, { database }) => database.addCopy(),
  ),
} as const satisfies Record<string, Done<Arena>>;

/** No gate has to do with it: what is wrong with the desk excuses none. */
export const deskFaults = {
  'desk killed': { begin: (desk) => desk.kill(), end: (desk) => desk.start() },
  'desk paused': { begin: (desk) => desk.pause(), end: (desk) => desk.resume() },
} as const satisfies Record<string, Done<DeskChild>>;

/** A process is down for as long as it takes to start, besides. */
const downKinds: ReadonlySet<string> = new Set(['gate killed', 'gate stopped', 'authority killed', 'desk killed']);
/** At the end of each minute nothing is begun: by then every gate has to decide again. */
const minuteMs = 60_000;
const calmMs = 18_000;
const isCalm = (at: number) => at % minuteMs > minuteMs - calmMs;

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
    const lastsMs = chance.chance() < 0.5 ? chance.between(100, 1_500) : chance.between(1_500, 4_000);
    const forMs = downKinds.has(kind) ? lastsMs / 4 : lastsMs;
    plan.push({ at, forMs, kind });
    at += forMs + chance.between(...restMs);
    if (isCalm(at)) at = Math.ceil(at / minuteMs) * minuteMs + chance.between(0, 2_000);
  }
  return plan;
}

/** Beyond those of gates. */
const deskTrack = 15;

export interface Planned {
  only?: readonly string[] | undefined;
  /** What happens to the authority, or to those that there are. */
  authorities?: typeof authorityFaults | typeof leadershipFaults;
}

/** A track of faults for each gate, one for the authority and one for the desk: within a track one at a time. `only`: of these kinds; all, if empty. */
export function planFaults(
  seed: number,
  gates: number,
  milliseconds: number,
  { only = [], authorities = authorityFaults }: Planned = {},
): { gates: Fault[][]; authority: Fault[]; desk: Fault[] } {
  const wanted = (kinds: object) =>
    (Object.keys(kinds) as Fault['kind'][]).filter((kind) => only.length === 0 || only.includes(kind));
  const track = (index: number, kinds: object, restMs: [number, number]) =>
    planTrack(new Schedule(seed * 16 + index), wanted(kinds), milliseconds, restMs);
  return {
    gates: Array.from({ length: gates }, (_, index) => track(index + 1, gateFaults, [4_000, 10_000])),
    authority: track(0, authorities, [12_000, 26_000]),
    desk: track(deskTrack, deskFaults, [5_000, 15_000]),
  };
}

export interface Playing {
  signal: AbortSignal;
  leaseMs: number;
  onFault(fault: Disturbance): void;
}

/**
 * Plays a track to its end, or until told to stop; what was begun is undone. On a slow machine that takes longer than was planned: what was
 * due meanwhile, or before whom it met had a lease to decide by, is left out, so that faults do not come one upon the other.
 */
export async function playTrack<Target extends GateChild | DeskChild | Arena>(
  track: Fault[],
  target: Target,
  how: Record<string, Done<Target>>,
  { signal, leaseMs, onFault }: Playing,
): Promise<void> {
  const began = performance.now();
  let nextFrom = began;
  const rest = (milliseconds: number) => pause(milliseconds, undefined, { signal }).catch(() => undefined);
  for (const { at, forMs, kind } of track) {
    await rest(Math.max(0, at - (performance.now() - began)));
    if (signal.aborted) return;
    if (performance.now() < nextFrom) continue;
    const gate = 'name' in target ? target.name : undefined;
    const noted = { gate, kind, begin: performance.now(), end: Number.POSITIVE_INFINITY };
    onFault(noted);
    const fault = how[kind] as Done<Target>;
    await fault.begin(target);
    await rest(forMs * (leaseMs / leaseMsLeast));
    await fault.end(target);
    noted.end = performance.now();
    nextFrom = noted.end + leaseMs;
  }
}
