/** The end of a run with two authorities: the last commits are lost with the primary. Nobody leads what is behind them, and no gate decides by it. */
import { join } from 'node:path';
import { readHeadFile } from '../../src/journal/head-file.ts';
import { eventually } from '../house.ts';
import type { Arena } from './arena.ts';
import type { Authorities } from './authorities.ts';
import type { Violation } from './history.ts';
import { recoveryMsOf } from './liveness.ts';
import { HttpWay, identityOf } from './way.ts';

const seenMsMax = 60_000;

/** It cuts one device, loses that it did, and resolves to what was broken then. */
export async function lastCommitsLost(arena: Arena, label: string): Promise<Violation[]> {
  const { authorities, devices, gates, operator, terms } = arena;
  const [stolen, other] = devices;
  if (!authorities || !stolen || !other) throw new Error('it wants two authorities and two devices');
  await arena.startGates();
  await arena.settled();
  await operator.set([stolen.subject, other.subject], { status: 'active' });
  await authorities.database.loseWhat(async () => {
    const receipt = await operator.set(stolen.subject, { status: 'stolen' });
    if (!receipt.confirmed) throw new Error('the change that is to be lost has no receipt');
    await seenByAll(authorities, receipt.revision);
  });
  const { terms: before } = authorities;
  const ways = gates.map((gate) => ({ gate, cut: waysOf(gate, stolen), free: waysOf(gate, other) }));
  const violations: Violation[] = [];
  let asked = 0;
  const nobodyDecides = async () => {
    const told = await Promise.all(
      ways.map(async ({ gate, cut, free }) => {
        const [refused, answered] = await Promise.all([cut, free].map((way) => way.send([`${label}-lost-${asked++}`])));
        if (refused?.status === 202)
          violations.push({ promise: 'P6', what: 'admitted after a cut that was lost', detail: gate.name });
        return answered?.status === 503;
      }),
    );
    return told.every(Boolean);
  };
  try {
    const withinMs = seenMsMax + 3 * recoveryMsOf(terms.leaseMs);
    await eventually(nobodyDecides, 'no gate decides what was lost', withinMs);
    await eventually(
      () => authorities.members.every(({ regressed }) => regressed > 0),
      'each authority says that the store is behind what it has seen',
      withinMs,
    );
    if (!(await nobodyDecides())) violations.push({ promise: 'P9', what: 'a gate decided again', detail: null });
  } catch (error) {
    violations.push({ promise: 'P9', what: (error as Error).message, detail: null });
  } finally {
    for (const { cut, free } of ways) for (const way of [cut, free]) way.breakOff();
  }
  if (authorities.terms !== before)
    violations.push({ promise: 'P9', what: 'an authority leads what is behind what it has seen', detail: null });
  return violations;
}

const waysOf = (gate: ConstructorParameters<typeof HttpWay>[0], device: Parameters<typeof identityOf>[0]) =>
  new HttpWay(gate, identityOf(device));

/** Each has it on its disk, and would know that it is gone. */
async function seenByAll({ members }: Authorities, revision: number): Promise<void> {
  const files = members.map(({ directory }) => join(directory, 'authority/journal.head'));
  const seen = () => files.every((file) => (readHeadFile(file)?.revision ?? 0) >= revision);
  await eventually(seen, 'both authorities have seen it', seenMsMax);
}
