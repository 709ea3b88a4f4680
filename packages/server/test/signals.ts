/** The authority's records with the room of signals over them, and what a monitor would send. */
import type { TestContext } from 'node:test';
import { parse } from 'yaml';
import { AttributesSection, SignalsSection } from '../src/config/signals-config.ts';
import { type AlertFacts, compileSignals, type Judge, judgeOne } from '../src/signals/judge.ts';
import {
  type Delivery,
  openSignals,
  type Proven,
  type Raised,
  type SignalAlert,
  type Signals,
} from '../src/signals/signals.ts';
import { createLog } from '../src/telemetry/telemetry.ts';
import { openRecords, putSubject, type Records } from './records.ts';

/** What rings, and where a proof comes from. */
type Around = Pick<Parameters<typeof openSignals>[0], 'alerts' | 'proven'>;

export interface SignalsScene extends Records {
  signals: Signals;
  /** What rang, and what is over, in order. */
  rung: Raised[];
  settled: string[];
  /** What gates told of readings that prove something, by subject. */
  proven: Map<string, Awaited<ReturnType<Proven>>>;
  /** The process ends, and another one begins with what is on disk. */
  restart(): Promise<void>;
  statusOf(subject: string, name?: string): Promise<unknown>;
}

export const second = 1_000_000_000n;

export const usualSignals = `
  plant:
    certificate: alertmanager-1
    format: alertmanager
    may: { attributes: { status: [quarantined, degraded] }, standings: [suspend], kinds: [device, shipment] }
    limit: 1000 in 10m
    reactions:
      - on: 'alert.labels.severity == "critical"'
        subject: 'alert.labels.device'
        hold: { status: quarantined }
        reason: '"alert " + alert.labels.alertname'
`;
const ordered = '{ status: { order: [active, degraded, quarantined] } }';
const quiet: Around = {
  alerts: { raise: async () => undefined, settle: async () => undefined },
  proven: async () => undefined,
};

/** What follows is found out in this thread. */
export function signalsOver(
  records: Records,
  { signals: text = usualSignals, attributes = ordered, around = quiet } = {},
): Promise<Signals> {
  const declared = AttributesSection.parse(parse(attributes));
  const orders = Object.fromEntries(Object.entries(declared).map(([name, { order }]) => [name, order]));
  const signals = SignalsSection.parse(parse(text));
  const judges = compileSignals(signals);
  const judging = {
    judge: async (source: string, alerts: readonly AlertFacts[]) =>
      alerts.map((one) => judgeOne(judges.get(source) as Judge, one)),
    stop: async () => undefined,
  };
  const log = createLog({ role: 'authority', level: 'error' });
  return openSignals({ ...records, ...around, signals, orders, judging, log });
}

export async function openScene(
  context: TestContext,
  given: { signals?: string; attributes?: string } = {},
): Promise<SignalsScene> {
  const records = await openRecords(context);
  const rung: Raised[] = [];
  const settled: string[] = [];
  const proven = new Map<string, Awaited<ReturnType<Proven>>>();
  const around: Around = {
    proven: async (_db, { subject }) => proven.get(subject),
    alerts: {
      raise: async (_db, alert) => void rung.push(alert),
      settle: async (_db, kind, key) => void settled.push(`${kind} ${key}`),
    },
  };
  const open = () => signalsOver(records, { ...given, around });
  const scene: SignalsScene = {
    ...records,
    ...{ signals: await open(), rung, settled, proven },
    async restart() {
      await scene.signals[Symbol.asyncDispose]();
      scene.signals = await open();
    },
    async statusOf(subject, name = 'status') {
      const { attributes: found } = await records.attributes.read(subject);
      return found.find((one) => one.name === name)?.value;
    },
  };
  context.after(() => scene.signals[Symbol.asyncDispose]());
  for (const device of ['truck-1', 'truck-2', 'truck-3']) await putSubject(records, device);
  return scene;
}

export function alert(device: string, given: Partial<SignalAlert> = {}): SignalAlert {
  return {
    ...{ key: `alert of ${device}`, status: 'firing', startsAt: 10n * second, endsAt: null, annotations: {} },
    labels: { severity: 'critical', device, alertname: 'Overheated' },
    ...given,
  };
}

export const over = (device: string, given: Partial<SignalAlert> = {}) =>
  alert(device, { status: 'resolved', endsAt: 20n * second, ...given });

/** As Alertmanager sends it. */
export function webhook(...alerts: SignalAlert[]): Buffer {
  const timeOf = (ns: bigint | null) =>
    ns === null ? '0001-01-01T00:00:00Z' : new Date(Number(ns / 1_000_000n)).toISOString();
  const sent = alerts.map(({ key, status, startsAt, endsAt, labels, annotations }) => ({
    ...{ fingerprint: key, status, startsAt: timeOf(startsAt), endsAt: timeOf(endsAt), labels, annotations },
    generatorURL: '',
  }));
  const group = { version: '4', status: 'firing', groupKey: '{}', truncatedAlerts: 0 };
  return Buffer.from(JSON.stringify({ ...group, alerts: sent }));
}

export const delivery = (...alerts: SignalAlert[]): Delivery => ({
  ...{ format: 'alertmanager', alerts, truncated: 0, warnings: [] },
});
