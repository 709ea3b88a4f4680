/**
 * The crash run: everything of a house is killed at moments that chance decides, while devices send over every transport and out of
 * outboxes of their own, operators cut and allow, others come and renew. Nobody mends anything: what was killed is started again, and no more.
 */
import { join } from 'node:path';
import type { Arena } from '../torture/arena.ts';
import type { Violation } from '../torture/history.ts';
import type { Disturbance } from '../torture/liveness.ts';
import { type Report, type RunOptions, run } from '../torture/run.ts';
import { Answered } from './answered.ts';
import { Sender } from './sender.ts';
import { haunt, housesVictims, type Killed, type Victim } from './victims.ts';

export interface CrashOptions {
  seed: number;
  /** It ends with so many, or with the time. */
  kills: number;
  milliseconds: number;
  /** Devices with an outbox, and operators who count. */
  senders: number;
  operators: number;
  /** Requests, when nothing is refused. */
  perSecond: number;
  flippers: number;
  onKill?(done: number): void;
}

export interface CrashReport {
  seed: number;
  seconds: number;
  kills: number;
  /** Of each kind: all, and those that came while it started. */
  of: Record<string, [kills: number, starting: number]>;
  /** Readings that a gate acknowledged, and those that an outbox said to be durable. */
  acknowledged: number;
  durable: number;
  /** Changes that were answered, of those that were asked. */
  changes: [answered: number, asked: number];
  enrolled: number;
  renewed: number;
  /** Starts that came to nothing without a kill, since another process was away, and were made again. */
  startedAgain: number;
  decided: number;
  violations: number;
  first: Violation[];
}

const sendersRestMs = 10;
const shownMax = 5;

export async function crash(arena: Arena, options: CrashOptions): Promise<CrashReport> {
  const { seed, kills, milliseconds, flippers, perSecond } = options;
  const label = `crash-${seed}`;
  const begun = performance.now();
  const senders = await enrolledSenders(arena, options.senders, label);
  const answered = new Answered(arena, label);
  const killed: Killed[] = [];
  let startedAgain = 0;
  const beside: RunOptions['beside'] = async (stop, onFault) => {
    const onKill = (one: Killed) => {
      killed.push(one);
      options.onKill?.(killed.length);
      if (killed.length >= kills) stop.abort();
    };
    const asking = [answered.enrol(stop.signal)];
    for (const [index, subject] of arena.crowd.slice(0, options.operators).entries())
      asking.push(answered.change(subject, seed * 32 + index, stop.signal));
    startedAgain = await killAll([...housesVictims(arena), ...senders], seed, stop.signal, { onKill, onFault });
    await Promise.all(asking);
    await Promise.all(senders.map((sender) => sender.drain()));
  };
  const told = await run(arena, { seed, milliseconds, perSecond, flippers, faults: false, renewals: true, beside });
  const rows = arena.stores.rows();
  const violations = [...told.first, ...senders.flatMap((sender) => sender.violations(rows)), ...answered.violations()];
  const seconds = Math.round((performance.now() - begun) / 1_000);
  return reportOf({ seed, seconds, startedAgain }, told, { killed, senders, answered, violations });
}

async function enrolledSenders({ operator, gates, house }: Arena, count: number, label: string): Promise<Sender[]> {
  const senders = Array.from({ length: count }, (_, index) => {
    const name = `sender-${index + 1}`;
    const gate = gates[index % gates.length] as Arena['gates'][number];
    return new Sender({ name, directory: join(house.home, name), gate, restMs: sendersRestMs, label });
  });
  for (const { name } of senders) await operator.enrolled(name, join(house.home, name), { status: 'active' });
  return senders;
}

/** Resolves once everything serves again, to how many starts came to nothing by themselves. */
async function killAll(
  victims: Victim[],
  seed: number,
  signal: AbortSignal,
  told: { onKill(killed: Killed): void; onFault(fault: Disturbance): void },
): Promise<number> {
  await Promise.all(victims.filter(({ kind }) => kind === 'device').map((device) => device.start()));
  const ended = await Promise.all(
    victims.map((victim, index) => haunt(victim, { seed: seed * 32 + index, signal, ...told })),
  );
  return ended.reduce((sum, times) => sum + times, 0);
}

interface Seen {
  killed: Killed[];
  senders: Sender[];
  answered: Answered;
  violations: Violation[];
}

function reportOf(
  known: Pick<CrashReport, 'seed' | 'seconds' | 'startedAgain'>,
  told: Report,
  { killed, senders, answered, violations }: Seen,
): CrashReport {
  const of: CrashReport['of'] = {};
  for (const { kind, starting } of killed) {
    const [all, early] = of[kind] ?? [0, 0];
    of[kind] = [all + 1, early + Number(starting)];
  }
  return {
    ...known,
    ...{ kills: killed.length, of },
    acknowledged: told.acknowledged,
    durable: senders.reduce((sum, { said }) => sum + said.length, 0),
    changes: [answered.changes.length + told.confirmed, answered.asked + told.changes],
    enrolled: answered.enrolled.length,
    renewed: told.renewals,
    decided: told.decided,
    violations: violations.length - told.first.length + told.violations,
    first: violations.slice(0, shownMax),
  };
}
