/** One run: load, flips and faults together; then everything is healed, and the history is held against journal and stores. */
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { finished } from '../../../../tools/commands.ts';
import { Schedule } from '../simulation/schedule.ts';
import type { Arena } from './arena.ts';
import { Carriers } from './carriers.ts';
import { Load } from './devices.ts';
import {
  authorityFaults,
  deskFaults,
  gateFaults,
  leadershipFaults,
  planFaults,
  playTrack,
  usualDisk,
} from './faults.ts';
import { type Asked, Flips } from './flips.ts';
import type { SlowDisk } from './gate-child.ts';
import { type Call, type Change, type History, type Row, type Violation, violationsOf } from './history.ts';
import { type Disturbance, decidedByMinute, decidedShare, isDecided, staleGates } from './liveness.ts';
import { Renewals } from './renewals.ts';
import { TorturedRollovers } from './rollovers.ts';

export interface RunOptions {
  seed: number;
  milliseconds: number;
  /** Requests, when nothing is refused. */
  perSecond: number;
  flippers: number;
  /** Devices renew, and now and then all connections break at once. */
  renewals?: boolean;
  /** Issuers come into the bundle and go, again and again. */
  rollovers?: boolean;
  storms?: boolean;
  /** How many of the arena's gates take part; all, if not given. */
  gates?: number;
  faults: boolean;
  /** Faults of these kinds alone. */
  only?: readonly string[];
  disk?: SlowDisk;
  /** What goes on beside all of it. It is told to stop as the rest is, may stop the rest, and is waited for before anything is looked at. */
  beside?(stop: AbortController, onFault: (fault: Disturbance) => void): Promise<void>;
  /** The rule of the cut that is switched off: what must be found then. */
  broken?: '' | 'barrier';
}

export interface Report {
  seed: number;
  seconds: number;
  broken: string;
  connections: number;
  calls: number;
  acknowledged: number;
  /** Shares of the calls: answered by a gate at all, and with a decision. */
  answered: number;
  decided: number;
  decidedByMinute: number[];
  /** On a machine that is busy with other things it is longer. */
  leaseMs: number;
  refused: Record<string, number>;
  unanswered: Record<string, number>;
  /** Over each transport: acknowledged, refused, and neither. */
  ways: Record<string, [acknowledged: number, refused: number, undecided: number]>;
  changes: number;
  confirmed: number;
  failed: Record<string, number>;
  longestReceiptMs: number;
  faults: Record<string, number>;
  renewals: number;
  rollovers: number;
  retired: number;
  /** How often another authority began to lead, of two. */
  terms: number;
  /** How many signals cut, and what checkpoints were answered. */
  signals: number;
  arrivals: { shipments: number; recorded: number; refused: number; unanswered: number };
  rows: number;
  quarantined: number;
  unproven: number;
  violations: number;
  first: Violation[];
}

const shownMax = 5;

export async function run(arena: Arena, options: RunOptions): Promise<Report> {
  const { seed, perSecond, broken = '', disk = usualDisk } = options;
  const label = `${broken || 'run'}-${seed}`;
  await arena.stopGates();
  const gates = arena.gates.slice(0, options.gates);
  for (const gate of gates) {
    gate.broken = broken;
    gate.disk(disk);
  }
  await arena.startGates(gates);
  await arena.settled();
  const flips = new Flips(arena, label);
  await flips.allowAll();
  const { devices, keys, gateway } = arena;
  const load = new Load({ devices, keys, gateway, gates, perSecond, seed, label, slowness: arena.slowness });
  const renewals = new Renewals(arena, load);
  const rollovers = new TorturedRollovers(arena);
  const carriers = new Carriers(arena, label);
  const disturbances: Disturbance[] = [];
  const { leaseMs } = arena.terms;
  const begin = performance.now();
  try {
    load.start();
    await disturb(arena, { flips, load, renewals, rollovers, carriers }, options, (fault) => disturbances.push(fault));
    await arena.startGates(gates);
    await arena.settled();
  } catch (error) {
    load.close();
    throw error;
  } finally {
    await load.stop();
  }
  const end = performance.now();
  const silent = await load.finish();
  await arena.stopGates();
  await arena.readJournal();
  const rows = arena.stores.rows();
  const violations = [
    ...violationsIn(arena, { calls: load.calls, asked: flips.asked, rows, retired: rollovers.retired }),
    ...staleGates(load.calls, disturbances, { begin, end, leaseMs }),
    ...(await ended(arena, stuckIn(arena, silent))),
    ...(await carriers.violations()),
  ];
  const faults = countsOf(disturbances.map(({ kind }) => kind));
  return {
    ...reportOf(options, load.calls, flips.asked, rows),
    ...{ decidedByMinute: decidedByMinute(load.calls, { begin, end }), leaseMs },
    renewals: renewals.done,
    rollovers: rollovers.done,
    retired: rollovers.retired.size,
    terms: arena.authorities?.terms ?? 0,
    ...business(flips.asked, carriers),
    faults,
    ...told(violations),
  };
}

interface Mix {
  flips: Flips;
  load: Load;
  renewals: Renewals;
  rollovers: TorturedRollovers;
  carriers: Carriers;
}

/** Ends when all that was begun is undone, or as soon as something of it fails. */
async function disturb(
  arena: Arena,
  { flips, load, renewals, rollovers, carriers }: Mix,
  options: RunOptions,
  onFault: (fault: Disturbance) => void,
): Promise<void> {
  const { seed, milliseconds, flippers } = options;
  const stop = new AbortController();
  const flipping = Array.from({ length: flippers }, (_, index) => flips.run(seed * 64 + index, stop.signal));
  flipping.push(carriers.run(seed, stop.signal), carriers.run(seed + 1, stop.signal));
  if (options.renewals) flipping.push(renewals.run(seed, stop.signal));
  if (options.rollovers) flipping.push(rollovers.run(seed, stop.signal, milliseconds));
  if (options.storms) flipping.push(storms(load, seed, stop.signal, onFault));
  const playing = options.faults ? playFaults(arena, options, stop.signal, onFault) : [];
  if (options.beside) playing.push(options.beside(stop, onFault));
  const timer = setTimeout(() => stop.abort(), milliseconds);
  try {
    await Promise.all([once(stop.signal, 'abort'), ...flipping, ...playing]);
  } finally {
    clearTimeout(timer);
    stop.abort();
    await Promise.allSettled([...flipping, ...playing]);
  }
}

/** Every few seconds all connections break at once. */
async function storms(
  load: Load,
  seed: number,
  signal: AbortSignal,
  onFault: (fault: Disturbance) => void,
): Promise<void> {
  const chance = new Schedule(seed);
  while (!signal.aborted) {
    await pause(chance.between(2_000, 20_000), undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    const begin = performance.now();
    load.storm();
    onFault({ gate: undefined, kind: 'storm of connections', begin, end: begin });
  }
}

function playFaults(
  arena: Arena,
  { seed, milliseconds, only }: RunOptions,
  signal: AbortSignal,
  onFault: (fault: Disturbance) => void,
): Promise<void>[] {
  const authorities = arena.authorities ? leadershipFaults : authorityFaults;
  const plan = planFaults(seed, arena.gates.length, milliseconds, { only, authorities });
  const possible = plan.authority.filter(({ kind }) => kind !== 'token gone' || arena.token);
  const playing = { signal, onFault, leaseMs: arena.terms.leaseMs };
  return [
    playTrack(possible, arena, authorities, playing),
    playTrack(plan.desk, arena.desk, deskFaults, playing),
    ...arena.gates.map((gate, index) => playTrack(plan.gates[index] ?? [], gate, gateFaults, playing)),
  ];
}

interface Recorded extends Pick<History, 'calls' | 'rows' | 'retired'> {
  asked: Asked[];
}

function violationsIn(arena: Arena, { asked, ...recorded }: Recorded): Violation[] {
  const gateOf = new Map(arena.gates.flatMap(({ name, instances }) => instances.map((instance) => [instance, name])));
  const changes: Change[] = asked.map(({ what, begin, end, confirmed, receipt, looked, reason }) => {
    const applied = receipt?.gates.filter(({ outcome }) => outcome === 'applied') ?? [];
    return {
      ...{ what, begin, end, confirmed, looked },
      applied: applied.flatMap(({ instance }) => gateOf.get(instance) ?? []),
      revision: arena.revisionOf.get(reason),
    };
  });
  return violationsOf({ ...recorded, changes, timeline: arena.timeline });
}

/** Where nobody is told that he is refused, silence is wrong towards those alone whom the journal admits. */
function stuckIn({ timeline }: Arena, last: { call: Call; tells: boolean }[]): Call[] {
  const admitted = ({ certificate }: Call) => timeline.admissibleAt(certificate, Number.POSITIVE_INFINITY);
  return last.filter(({ call, tells }) => tells || admitted(call)).map(({ call }) => call);
}

/** What must be so when everything is healed. */
async function ended(arena: Arena, stuck: Call[]): Promise<Violation[]> {
  const verified = await finished('portcullis', 'journal', 'verify', arena.house.fleet);
  const died = [...arena.gates, arena.desk].filter(({ died }) => died > 0);
  const relays = await arena.desk.relays(arena.operator.credential.roots);
  const issues = await arena.issues();
  return [
    ...stuck.map(
      (detail): Violation => ({ promise: 'P13', what: 'nothing is wrong any more, and not decided', detail }),
    ),
    ...died.map(({ name }): Violation => ({ promise: 'P13', what: 'a process ended by itself', detail: name })),
    ...(relays
      ? []
      : [{ promise: 'P13', what: 'nothing is wrong any more, and the desk relays nothing', detail: null } as const]),
    ...(issues
      ? []
      : [{ promise: 'P13', what: 'nothing is wrong any more, and nothing is issued', detail: null } as const]),
    ...(verified.status === 0 ? [] : [{ promise: 'P12', what: 'the journal is damaged', detail: verified } as const]),
  ];
}

function business(asked: Asked[], { told, shipments }: Carriers): Pick<Report, 'signals' | 'arrivals'> {
  const count = (...statuses: number[]) => told.filter(({ status }) => statuses.includes(status)).length;
  return {
    signals: asked.filter(({ what, receipt }) => what.includes('"fires"') && receipt !== undefined).length,
    arrivals: { shipments: shipments.length, recorded: count(201), refused: count(409), unanswered: count(0) },
  };
}

function countsOf(names: string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

function reportOf(options: RunOptions, calls: Call[], asked: Asked[], rows: Row[]) {
  const { seed, milliseconds, broken = '' } = options;
  const inState = (state: Row['state']) => rows.filter((row) => row.state === state).length;
  const judged = calls.filter(({ status }) => status > 202);
  return {
    ...{ seed, seconds: milliseconds / 1_000, broken: broken || 'nothing' },
    connections: new Set(calls.map(({ subject, gate }) => `${subject} ${gate}`)).size,
    calls: calls.length,
    acknowledged: calls.filter(({ status }) => status === 202).length,
    answered: shareOf(calls, ({ status }) => status !== 0),
    decided: decidedShare(calls),
    refused: countsOf(judged.map(({ status, reason }) => `${status} ${reason}`)),
    unanswered: countsOf(calls.filter(({ status }) => status === 0).map(({ reason }) => reason)),
    ways: byWay(calls),
    changes: asked.length,
    confirmed: asked.filter(({ confirmed }) => confirmed !== undefined).length,
    failed: countsOf(asked.flatMap(({ failure }) => failure ?? [])),
    longestReceiptMs: Math.round(Math.max(0, ...asked.map(({ receipt }) => receipt?.elapsedMs ?? 0))),
    ...{ rows: rows.length, quarantined: inState('quarantined'), unproven: inState('unproven') },
  };
}

function byWay(calls: Call[]): Report['ways'] {
  const ways = Map.groupBy(calls, ({ way = '' }) => way);
  return Object.fromEntries(
    [...ways].map(([way, own]) => {
      const acknowledged = own.filter(({ status }) => status === 202).length;
      const decided = own.filter(isDecided).length;
      return [way, [acknowledged, decided - acknowledged, own.length - decided]];
    }),
  );
}

const shareOf = (calls: Call[], holds: (call: Call) => boolean) =>
  Math.round((100 * calls.filter(holds).length) / Math.max(1, calls.length)) / 100;

function told(violations: Violation[]) {
  return { violations: violations.length, first: violations.slice(0, shownMax) };
}
