/**
 * Many devices in one process, with certificates of their own, over the device's own client; and what became of what they sent.
 * - It speaks to the servers of one fleet, each verified before a byte is sent (P2), and to no other.
 * - It ends by itself.
 * - What gates count and what it counts agree: one acknowledgement is one reading here too.
 * Refuses to know: which operator asks, and how the summary is shown.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { realNetwork, type System } from '@portcullis/device';
import { Beginnings } from './beginnings.ts';
import { CountedNetwork } from './counted-network.ts';
import type { Percentiles } from './latencies.ts';
import { type DeviceParts, type Simulated, SimulatedDevice } from './simulated-device.ts';
import { SlowRadio } from './slow-radio.ts';
import { Tally } from './tally.ts';

export { type Authority, enrolSubjects } from './enrolling.ts';
export { type Flaw, flaws, KeptSubjects, wantedSubjects } from './kept-subjects.ts';
export type { Percentiles } from './latencies.ts';
export type { Simulated } from './simulated-device.ts';
export { radio } from './slow-radio.ts';

export const patterns = ['power-return', 'renewal-day', 'slow-radio'] as const;
export type Pattern = (typeof patterns)[number];

export interface Plan extends Pick<DeviceParts, 'fleet' | 'gates' | 'stream' | 'data' | 'everyMs'> {
  devices: readonly Simulated[];
  patterns: ReadonlySet<Pattern>;
  forMs: number;
}

interface Parts {
  system: System;
  progress(words: string): void;
  /** Ends it early; the summary is of what there was. */
  signal: AbortSignal;
}

export interface Summary {
  seconds: number;
  admitted: number;
  /** Readings that no gate has acknowledged when it ends: their devices would send them again. */
  waiting: number;
  setAside: number;
  refused: Record<string, number>;
  errors: Record<string, number>;
  latency: Percentiles | null;
  connections: { opened: number; openMost: number; openAtEnd: number };
  renewals: { done: number; failed: Record<string, number>; took: Percentiles | null };
  /** How long each device needed after its power was back; null: it was never away. */
  returned: Percentiles | null;
}

/** Readings that wait, of all devices together. */
const waitingMax = 2_000_000;
/** Of one: a full outbox takes no more. */
const waitingOfOneMax = 10_000;
/** How long the power is away. */
const outageMs = 1_000;
/** How long what is under way at the end may take to be answered. */
const lastAnswersMs = 5_000;
const progressMs = 1_000;

/** For so long, or until the signal. Power returns at half of the time; on a renewal day all renew within the first half. */
export async function simulate(plan: Plan, { system, progress, signal }: Parts): Promise<Summary> {
  const tally = new Tally();
  await using radio = new SlowRadio(realNetwork, system);
  const isSlow = plan.patterns.has('slow-radio');
  const network = new CountedNetwork(isSlow ? radio : realNetwork);
  const { fleet, gates, stream, data, everyMs } = plan;
  const run = system.random(6).toString('hex');
  const ofEach = Math.min(waitingOfOneMax, Math.ceil(waitingMax / plan.devices.length));
  const beginnings = new Beginnings();
  const shared = { fleet, gates, stream, data, everyMs, network, tally, beginnings, system, run, waitingMax: ofEach };
  const devices = plan.devices.map((device) => new SimulatedDevice(device, shared));
  const begun = system.monotonic();
  const secondsGone = () => Math.round((system.monotonic() - begun) / 100) / 10;
  const telling = setInterval(
    () => progress(`${secondsGone()} s: ${network.open} connections, ${tally.admitted} readings admitted`),
    progressMs,
  );
  const bound = AbortSignal.any([signal, AbortSignal.timeout(plan.forMs)]);
  const works = [
    ...devices.map((device) => device.run()),
    ...(plan.patterns.has('renewal-day') ? devices.map((device) => renewal(device, plan.forMs, system, bound)) : []),
  ];
  // A bug in one of them ends the whole run; it is thrown below.
  const failed = Promise.all(works);
  try {
    await Promise.race([during(devices, plan, bound), failed.then(() => undefined)]);
    for (const device of devices) device.stop();
    await within(failed, lastAnswersMs);
    const openAtEnd = network.open;
    const seconds = secondsGone();
    for (const device of devices) device.close();
    await failed;
    const waiting = devices.reduce((sum, device) => sum + device.waiting, 0);
    const { opened, openMost } = network;
    return { seconds, waiting, ...summaryOf(tally), connections: { opened, openMost, openAtEnd } };
  } finally {
    clearInterval(telling);
    for (const device of devices) device.close();
  }
}

/** Until it is over. */
async function during(devices: readonly SimulatedDevice[], plan: Plan, over: AbortSignal): Promise<void> {
  const wait = (ms: number) => pause(ms, undefined, { signal: over }).catch(() => undefined);
  if (plan.patterns.has('power-return')) {
    await wait(plan.forMs / 2);
    if (over.aborted) return;
    for (const device of devices) device.losePower();
    await wait(outageMs);
    if (over.aborted) return;
    for (const device of devices) device.regainPower();
  }
  await wait(plan.forMs + lastAnswersMs);
}

/** Who is not admitted, or unknown, does not renew either. */
async function renewal(device: SimulatedDevice, forMs: number, system: System, over: AbortSignal): Promise<void> {
  if (device.flaw !== undefined) return;
  const dueMs = (system.random(4).readUInt32BE() / 2 ** 32) * (forMs / 2);
  await pause(dueMs, undefined, { signal: over }).catch(() => undefined);
  if (!over.aborted) await device.renew();
}

async function within(work: Promise<unknown>, milliseconds: number): Promise<void> {
  const over = new AbortController();
  await Promise.race([work, pause(milliseconds, undefined, { signal: over.signal }).catch(() => undefined)]);
  over.abort();
}

function summaryOf(tally: Tally) {
  const { admitted, setAside, refused, errors, renewed, renewalsFailed, latencies, renewals, returns } = tally;
  return {
    admitted,
    setAside,
    refused: Object.fromEntries(refused),
    errors: Object.fromEntries(errors),
    latency: latencies.view,
    renewals: { done: renewed, failed: Object.fromEntries(renewalsFailed), took: renewals.view },
    returned: returns.view,
  };
}
