/**
 * The only file that builds everything: which rooms there are, what each is given, in which order they open. They close in
 * reverse, whatever fails on the way.
 */
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { KeyAlgorithm } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import { type Alerts, openAlerts, openTelling, openWatches } from './alerts/alerts.ts';
import { type Api, openApi } from './api/api.ts';
import { openArchive } from './archive/archive.ts';
import { type Attributes, openAttributes } from './attributes/attributes.ts';
import { openShipping, type Shipping } from './backup/backup.ts';
import {
  type DeskConfig,
  type FleetConfig,
  type GatePolicyFiles,
  JourneyFiles,
  RuleFiles,
  textsIn,
} from './config/config.ts';
import { type Desk, openDesk } from './desk/desk.ts';
import { type Enrolment, openEnrolment } from './enrolment/enrolment.ts';
import { type Feed, openFeed } from './feed/feed.ts';
import { type Gate, openGate } from './gate/gate.ts';
import { type Imports, openImports } from './imports/imports.ts';
import { type Issuance, type Labels, openIssuance, openLabels } from './issuance/issuance.ts';
import { type Journal, openJournal, readVerifiedFile } from './journal/journal.ts';
import { isDelivered, openJourneys, stepsOf } from './journeys/journeys.ts';
import { type KeyCredentials, openKeyCredentials } from './key-credentials/key-credentials.ts';
import { fileSeal, openKeys } from './keys/keys.ts';
import { type Codes, openCodes } from './publication/codes.ts';
import { expiringCertificates, openLists, openRevocation, type Revocation } from './revocation/revocation.ts';
import { openRollovers, type Rollovers } from './rollover/rollover.ts';
import { openRules, problemsOfExpressions, type Rules } from './rules/rules.ts';
import { openSignalIntake, openSignals, proofsOf } from './signals/signals.ts';
import { openSqliteSink, type Sink } from './storage/sink.ts';
import { holdLock, openStore, type Store, storePlace } from './storage/storage.ts';
import { createLog, diskSpace, type Log, type LogDestination, realSystem, type System } from './telemetry/telemetry.ts';

/** The outside world, where a test has its own. */
export interface Outside {
  system?: System;
  /** An authority that waits while another leads, until this says otherwise. */
  standby?: AbortSignal | undefined;
  /** A gate's disk: what stands before its sink. */
  disk?: (sink: Sink) => Sink;
  /** Where systemd has put the credentials that it loaded for this service. */
  credentials?: string | undefined;
  /** Where the log goes: standard error. */
  logTo?: LogDestination | undefined;
}

/** The rooms that keep the authority's state, without any listener: what commands on a stopped store use. */
export interface Records {
  store: Store;
  journal: Journal;
  alerts: Alerts;
  attributes: Attributes;
  revocation: Revocation;
  issuance: Issuance;
  enrolment: Enrolment;
  keyCredentials: KeyCredentials;
  codes: Codes;
  imports: Imports;
  labels: Labels;
  rollovers: Rollovers;
}

export async function assembleRecords(
  directory: string,
  config: FleetConfig,
  stack: AsyncDisposableStack,
  { system = realSystem, credentials = process.env.CREDENTIALS_DIRECTORY, logTo, standby: signal }: Outside = {},
): Promise<Records> {
  const home = join(directory, 'authority');
  const log = createLog({ role: 'authority', level: config.log }, logTo);
  const isShipped = config.journal.ship !== undefined;
  const capture = isShipped ? { newId: () => system.random(8).toString('hex') } : undefined;
  const place = storePlace(home, config.store, textsIn(directory));
  const holder = `${hostname()}, process ${process.pid}`;
  const waits = (leader: string) => log.info({ leader }, 'stands by');
  const standby = signal && { signal, waits };
  const store = stack.use(await openStore(place, { system, holder, capture, standby }));
  const journal = stack.use(await openJournal({ store, system, headFile: join(home, 'journal.head') }));
  const attributes = stack.use(await openAttributes({ ...place, store, journal, declared: config.attributes }));
  const alerts = openAlerts({ store, journal, system });
  const revocation = openRevocation({ store, journal, system });
  const keys = stack.use(openKeys({ directory, keys: config.keys, system, credentials }));
  const issuance = await openIssuance({
    store,
    keys,
    system,
    publicUrl: config.revocationUrl,
    profiles: config.profiles,
  });
  const parts = { ...config, alerts, store, journal, attributes, revocation, issuance, system, log };
  const enrolment = openEnrolment({ ...parts, makeKey: () => keyWithRequest(issuance.keysOf('authority')) });
  const seal = fileSeal(join(home, 'credentials.key'), system);
  const keyCredentials = openKeyCredentials({ ...parts, seal });
  const codes = openCodes({ journal, system });
  const labels = openLabels({ ...parts, makeKey: () => keyWithRequest(issuance.keysOf('shipment')) });
  const imports = openImports(parts);
  const rollovers = stack.use(await openRollovers({ ...parts, keys }));
  const kept = { store, journal, alerts, attributes, revocation, issuance, enrolment, keyCredentials };
  return { ...kept, codes, imports, labels, rollovers };
}

function keyWithRequest(algorithm: KeyAlgorithm): { key: string; request: Buffer } {
  const key = makeKey(algorithm);
  return { key, request: makeRequest(key, 'authority') };
}

export interface Authority extends Api {
  readonly feed: Feed;
  /** Rejects when it does not lead any more: its process has to end. */
  readonly lost: Promise<never>;
}

export async function assembleAuthority(
  directory: string,
  config: FleetConfig,
  outside: Outside = {},
): Promise<Authority> {
  await using stack = new AsyncDisposableStack();
  const { system = realSystem, logTo } = outside;
  const log = createLog({ role: 'authority', level: config.log }, logTo);
  const records = await assembleRecords(directory, config, stack, outside);
  // It closes after whoever changes something.
  const shipping = stack.use(openFleetShipping(config, { ...records, system, log }));
  const readText = textsIn(directory);
  const { refusals, missing: missingMs, expiring: expiringMs } = config.alerts;
  const ringing = { refusalsPerMinute: refusals.perMinute, missingMs, expiringMs };
  stack.use(openTelling({ ...records, ...config.alerts, fleet: config.fleet, readText, system, log }));
  const home = join(directory, 'authority');
  const gates = { deciding: () => false };
  const isGateDeciding = () => gates.deciding();
  const rules = stack.use(await openFleetRules(directory, config, { ...records, system, log, isGateDeciding }));
  const { evidence, proven, toTell } = rules;
  const journeyFiles = new JourneyFiles(directory, config.attributes);
  const journeys = stack.use(await openJourneys({ ...records, source: journeyFiles, evidence, system, log }));
  const told = { ...ringing, rules: toTell, journeys, issuers: records.issuance.issuers };
  const feed = stack.use(await openFeed({ ...config, ...records, ...told, directory: home, system, log }));
  gates.deciding = () => feed.leases().held > 0;
  const signals = stack.use(await openSignals({ ...config, ...records, proven, system, log }));
  stack.use(openArchive({ ...records, renewableMs: records.issuance.renewableMsMax, system, log }));
  const seen = { startedAt: system.now(), verified: () => readVerifiedFile(join(home, 'journal.verified')) };
  const expiring = expiringCertificates;
  stack.use(openWatches({ ...records, ...ringing, expiring, verified: seen.verified, system, log }));
  const looks = { ...seen, diskSpace: () => diskSpace(home), shipping: async () => shipping?.state() };
  const intake = stack.use(
    openSignalIntake({ ...config, ...records, directory, receive: signals.receive, system, log }),
  );
  const { issuance } = records;
  const { issuers } = issuance;
  const lists = stack.use(await openLists({ ...records, issuers, onIssuers: issuance.onReload, system, log }));
  const api = stack.use(
    await openApi({ ...config, ...records, ...looks, lists, feed, journeys, rules, signals, intake, system, log }),
  );
  const opened = stack.move();
  const { lost } = records.store;
  return { ...api, feed, lost, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

function openFleetShipping(
  { fleet, journal: { ship } }: FleetConfig,
  parts: Pick<Records, 'store' | 'journal'> & { system: System; log: Log },
): Shipping | undefined {
  return ship === undefined ? undefined : openShipping({ ...parts, fleet, to: ship });
}

type RulesGiven = Records & { system: System; log: Log; isGateDeciding(): boolean };

/** The files in `rules/`, and what they say of readings. */
function openFleetRules(directory: string, { signals }: FleetConfig, records: RulesGiven): Promise<Rules> {
  const files = new RuleFiles(directory);
  const source = { mark: () => files.mark(), load: () => files.load(problemsOfExpressions) };
  return openRules({
    ...records,
    source,
    proofs: proofsOf(signals),
    journeys: { stepsOf, isDelivered },
  });
}

export interface AssembledGate extends Gate {
  /** Rejects when it lives and can not serve any more: its process has to end. */
  readonly broken: Promise<never>;
}

export async function assembleGate(
  directory: string,
  files: GatePolicyFiles,
  signal: AbortSignal,
  { system = realSystem, disk = (sink) => sink, logTo }: Outside = {},
): Promise<AssembledGate> {
  await using stack = new AsyncDisposableStack();
  const home = join(directory, 'gate');
  const settings = { ...files.config, metrics: files.config.metrics?.listen };
  const log = createLog({ role: 'gate', level: settings.log }, logTo);
  const { promise: broken, reject } = Promise.withResolvers<never>();
  broken.catch(() => undefined);
  const sink = disk(stack.use(await openSqliteSink(home, reject)));
  const looks = { diskSpace: () => diskSpace(home) };
  const parts = { directory: home, settings, policies: files, sink, ...looks, system, log };
  const gate = stack.use(await openGate(parts, signal));
  const opened = stack.move();
  const { subject, instance, port, mqttPort, coapPort } = gate;
  const ports = { port, mqttPort, coapPort };
  return { subject, instance, ...ports, broken, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

export async function assembleDesk(
  directory: string,
  settings: DeskConfig,
  signal: AbortSignal,
  { system = realSystem, logTo }: Outside = {},
): Promise<Desk> {
  await using stack = new AsyncDisposableStack();
  const home = join(directory, 'desk');
  const log = createLog({ role: 'desk', level: settings.log }, logTo);
  // One process renews what lies there.
  stack.adopt(holdLock(join(home, 'desk.lock')), (lock) => lock.release());
  const desk = stack.use(await openDesk({ directory: home, settings, system, log }, signal));
  const opened = stack.move();
  const { subject, port, publicPort, phonesPort, estPort, revocationPort } = desk;
  const ports = { port, publicPort, phonesPort, estPort, revocationPort };
  return { subject, ...ports, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}
