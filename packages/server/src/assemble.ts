/**
 * The only file that builds the authority: which rooms there are, what each is given, in which order they open. They close in reverse,
 * whatever fails on the way. Gate and desk have a file each beside it (`assemble-gate.ts`, `assemble-desk.ts`), and load nothing of this.
 */

import { hostname } from 'node:os';
import { join } from 'node:path';
import type { KeyAlgorithm } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import { type Alerts, openAlerts, openTelling, openWatches } from './alerts/alerts.ts';
import { type Api, openApi, StandingBy } from './api/api.ts';
import { openArchive } from './archive/archive.ts';
import type { GateWorker } from './assemble-gate.ts';
import { type Attributes, openAttributes } from './attributes/attributes.ts';
import {
  type Authorities,
  holderWords,
  isAlone,
  LedConfig,
  openAuthorities,
  ownAddresses,
  requireApproved,
} from './authorities/authorities.ts';
import { openShipping, type Shipping } from './backup/backup.ts';
import { FilesInCommon, type FleetConfig, JourneyFiles, RuleFiles, textsIn } from './config/config.ts';
import { type Enrolment, openEnrolment } from './enrolment/enrolment.ts';
import { type Feed, openFeed } from './feed/feed.ts';
import { type Imports, openImports } from './imports/imports.ts';
import { HeldKeys, type Issuance, type Labels, type Lifetimes, openIssuance, openLabels } from './issuance/issuance.ts';
import { type Journal, openJournal, readVerifiedFile } from './journal/journal.ts';
import { isDelivered, openJourneys, stepsOf } from './journeys/journeys.ts';
import { type KeyCredentials, openKeyCredentials } from './key-credentials/key-credentials.ts';
import { fileSeal, type Keys, openKeys } from './keys/keys.ts';
import { type Codes, openCodes } from './publication/codes.ts';
import { expiringCertificates, openLists, openRevocation, type Revocation } from './revocation/revocation.ts';
import { openRollovers, type Rollovers } from './rollover/rollover.ts';
import { openRules, problemsOfExpressions, type Rules } from './rules/rules.ts';
import { openSignalIntake, openSignals, proofsOf } from './signals/signals.ts';
import type { Sink } from './storage/sink.ts';
import { besideStore, openStore, type Store, storePlace } from './storage/storage.ts';
import { createLog, diskSpace, type Log, type LogDestination, realSystem, type System } from './telemetry/telemetry.ts';

/** The outside world, where a test has its own. */
export interface Outside {
  system?: System;
  /** An authority that waits while another leads, until this says otherwise. */
  standby?: AbortSignal | undefined;
  /** What it does while it waits. */
  stoodBy?: Pick<StandingBy, 'leads' | 'mayLead' | 'taken'> | undefined;
  /** A gate's disk: what stands before its sink. */
  disk?: (sink: Sink) => Sink;
  /** A gate that runs as several processes: which of them this is. */
  worker?: GateWorker | undefined;
  /** Where systemd has put the credentials that it loaded for this service. */
  credentials?: string | undefined;
  /** The authority's keys, where they are open already. */
  keys?: Keys | undefined;
  /** How long what an authority signs is valid. */
  lifetimes?: Lifetimes | undefined;
  /** Where the log goes: standard error. */
  logTo?: LogDestination | undefined;
}

/** The rooms that keep the authority's state, without any listener: what commands on a stopped store use. */
export interface Records {
  store: Store;
  journal: Journal;
  alerts: Alerts;
  attributes: Attributes;
  authorities: Authorities;
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
  outside: Outside = {},
): Promise<Records> {
  const { system = realSystem, logTo, standby: signal, stoodBy, lifetimes } = outside;
  const home = join(directory, 'authority');
  const log = createLog({ role: 'authority', level: config.log }, logTo);
  const isShipped = config.journal.ship !== undefined;
  const capture = isShipped ? { newId: () => system.random(8).toString('hex') } : undefined;
  const place = storePlace(home, config.store, textsIn(directory));
  const holder = holderWords(`${hostname()}, process ${process.pid}`, ownAddresses(config));
  const waits = (leader: string | undefined) => {
    stoodBy?.leads(leader);
    if (leader !== undefined) log.info({ leader }, 'stands by');
  };
  const standby = signal && { signal, waits, mayLead: async () => (await stoodBy?.mayLead()) ?? true };
  const store = stack.use(await openStore(place, { system, holder, capture, standby }));
  await stoodBy?.taken();
  await requireApproved(store, home);
  const journal = stack.use(await openJournal({ store, system, headFile: headFileIn(home) }));
  const attributes = stack.use(await openAttributes({ ...place, store, journal, declared: config.attributes }));
  const alerts = openAlerts({ store, journal, system });
  const revocation = openRevocation({ store, journal, system });
  const keys = outside.keys ?? stack.use(openFleetKeys(directory, config, outside));
  const issuance = await openIssuance({
    store,
    keys,
    system,
    publicUrl: config.revocationUrl,
    profiles: config.profiles,
    lifetimes,
  });
  const parts = { ...config, alerts, store, journal, attributes, revocation, issuance, system, log };
  const enrolment = openEnrolment({ ...parts, makeKey: () => keyWithRequest(issuance.keysOf('authority')) });
  const seal = fileSeal(join(home, 'credentials.key'), system);
  const keyCredentials = openKeyCredentials({ ...parts, seal });
  const codes = openCodes({ journal, system });
  const authorities = openAuthorities({ store, journal, system, home });
  const labels = openLabels({ ...parts, makeKey: () => keyWithRequest(issuance.keysOf('shipment')) });
  const imports = openImports(parts);
  const rollovers = stack.use(await openRollovers({ ...parts, keys }));
  const kept = { store, journal, alerts, attributes, revocation, issuance, enrolment, keyCredentials };
  return { ...kept, authorities, codes, imports, labels, rollovers };
}

function openFleetKeys(
  directory: string,
  { keys }: FleetConfig,
  { system = realSystem, credentials = process.env.CREDENTIALS_DIRECTORY }: Outside,
): Keys & AsyncDisposable {
  return openKeys({ directory, keys, system, credentials });
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
  const inCommon = new FilesInCommon(directory, config);
  const readConfig = () => inCommon.read();
  const keys = stack.use(openFleetKeys(directory, config, outside));
  const given = { readConfig, keys, system, log };
  const stoodBy = outside.standby && (await openStandingBy(directory, config, given));
  if (stoodBy) stack.use(stoodBy);
  const records = await assembleRecords(directory, config, stack, { ...outside, keys, stoodBy });
  const { authorities } = records;
  records.rollovers.makesNext({ isAlone: () => isAlone(authorities, config) });
  const leading = { ...records, read: readConfig, hasStoodBy: stoodBy !== undefined, log };
  // A file has nobody that stands by.
  const led = config.store === undefined ? undefined : stack.use(await LedConfig.open(leading));
  if (led) await authorities.ledAs(config.hosts);
  const onLoad = () => led?.changed();
  // It closes after whoever changes something.
  const shipping = stack.use(openFleetShipping(config, { ...records, system, log }));
  const readText = textsIn(directory);
  const { refusals, missing: missingMs, expiring: expiringMs } = config.alerts;
  const ringing = { refusalsPerMinute: refusals.perMinute, missingMs, expiringMs };
  stack.use(openTelling({ ...records, ...config.alerts, fleet: config.fleet, readText, system, log }));
  const home = join(directory, 'authority');
  // Whoever was approved has what there was by then: another one would open nothing of this one's.
  if ((await records.authorities.list()).length === 0) await records.keyCredentials.prepare();
  const gates = { deciding: () => false };
  const isGateDeciding = () => gates.deciding();
  const rules = stack.use(await openFleetRules(directory, config, { ...records, system, log, isGateDeciding, onLoad }));
  const { evidence, proven, toTell } = rules;
  const journeyFiles = new JourneyFiles(directory, config.attributes);
  const source = { mark: () => journeyFiles.mark(), load: () => loaded(journeyFiles.load(), onLoad) };
  const journeys = stack.use(await openJourneys({ ...records, source, evidence, system, log }));
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
  const serving = { stoodBy, isOneOfMany: config.store !== undefined };
  const rooms = { ...config, ...records, ...looks, lists, feed, journeys, rules, signals, intake, system, log };
  const api = stack.use(await openApi({ ...rooms, ...serving }));
  const opened = stack.move();
  const { lost } = records.store;
  return { ...api, feed, lost, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

const headFileIn = (home: string) => join(home, 'journal.head');

/** Undefined where the store is in a file, which has nobody that stands by. */
async function openStandingBy(
  directory: string,
  config: FleetConfig,
  given: { readConfig: FilesInCommon['read']; keys: Keys; system: System; log: Log },
) {
  const home = join(directory, 'authority');
  const { postgres } = storePlace(home, config.store, textsIn(directory));
  if (!postgres) return undefined;
  const keyAlgorithm = config.profiles.authority?.keys?.[0] ?? 'p-256';
  return new StandingBy({
    ...config,
    ...given,
    beside: besideStore({ postgres }),
    keys: new HeldKeys(given.keys),
    keyAlgorithm,
    headFile: headFileIn(home),
  }).open();
}

function openFleetShipping(
  { fleet, journal: { ship } }: FleetConfig,
  parts: Pick<Records, 'store' | 'journal'> & { system: System; log: Log },
): Shipping | undefined {
  return ship === undefined ? undefined : openShipping({ ...parts, fleet, to: ship });
}

type RulesGiven = Records & { system: System; log: Log; isGateDeciding(): boolean; onLoad(): void };

/** Files that may change while it runs were read. */
function loaded<Files>(files: Files, onLoad: () => void): Files {
  onLoad();
  return files;
}

/** The files in `rules/`, and what they say of readings. */
function openFleetRules(directory: string, { signals }: FleetConfig, records: RulesGiven): Promise<Rules> {
  const files = new RuleFiles(directory);
  const source = { mark: () => files.mark(), load: () => loaded(files.load(problemsOfExpressions), records.onLoad) };
  return openRules({
    ...records,
    source,
    proofs: proofsOf(signals),
    journeys: { stepsOf, isDelivered },
  });
}
