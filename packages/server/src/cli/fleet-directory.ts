import { hostname } from 'node:os';
import { join } from 'node:path';
import { type FleetName, Host, type KeyAlgorithm } from '@portcullis/contract';
import { credentialFileIn, makeDirectory, writeCredential } from '@portcullis/device';
import { assembleRecords, type Records } from '../assemble.ts';
import { type FleetConfig, loadDeskConfig, loadFleetConfig, loadGateConfig } from '../config/config.ts';
import { type Lifetimes, makeFleet } from '../issuance/issuance.ts';
import { type Keeping, type Keys, openKeys } from '../keys/keys.ts';
import { createStore, dropStore, type Store } from '../storage/storage.ts';
import { realSystem, replaceFile, type System } from '../telemetry/telemetry.ts';
import { issueLocally } from './issue-locally.ts';
import { commandOpening, placeIn } from './store-place.ts';
import { deskYaml, fleetYaml, gateYaml } from './yaml-templates.ts';

/** On this machine, on another one that joins, or nowhere: then devices enrol at the authority itself. */
export type DeskPlace = 'here' | 'none' | { host: string };

export interface WantedFleet {
  fleet: FleetName;
  basePort: number;
  hosts: string[] | undefined;
  desk?: DeskPlace;
  keys?: Keeping;
  publicName?: string | undefined;
  /** A database; in a file beside its configuration otherwise. */
  store?: string | undefined;
  /** Of the keys of root and issuers. */
  algorithm?: KeyAlgorithm | undefined;
  lifetimes?: Lifetimes;
}

/** Where the certificates of root and issuers come from: what the store begins with is put into it. */
export type Beginning = (parts: {
  store: Store;
  keys: Keys;
  system: System;
  fleet: FleetName;
  publicUrl: string | undefined;
  algorithm?: KeyAlgorithm | undefined;
  lifetimes?: Lifetimes;
}) => Promise<{ root: string }>;

/** All that a fleet begins with: root, issuers, the first operator, gate and desk, and the files of configuration. */
export async function makeFleetDirectory(
  directory: string,
  made: WantedFleet,
  begin: Beginning = makeFleet,
  check: (records: Records, config: FleetConfig) => Promise<void> = async () => undefined,
): Promise<void> {
  const config = await writeConfiguration(directory, made);
  const place = placeIn(directory, config);
  const store = await createStore(place, commandOpening());
  try {
    await fill({ directory, made, config, store, begin, check });
  } catch (error) {
    await dropStore(place);
    throw error;
  }
}

interface Filled {
  directory: string;
  made: WantedFleet;
  config: FleetConfig;
  store: Store;
  begin: Beginning;
  check(records: Records, config: FleetConfig): Promise<void>;
}

async function fill({ directory, made, config, store, begin, check }: Filled): Promise<void> {
  const { fleet, algorithm, lifetimes } = made;
  const keys = keysOf(directory, config.keys);
  const publicUrl = config.revocationUrl;
  const parts = { store, keys, system: realSystem, fleet, publicUrl, algorithm };
  const { root } = await begin({ ...parts, ...(lifetimes && { lifetimes }) });
  await keys[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  await replaceFile(join(directory, 'root.pem'), root, forEverybody);
  await using stack = new AsyncDisposableStack();
  const records = await assembleRecords(directory, config, stack, { lifetimes });
  await check(records, config);
  await records.journal.change({ actor: 'authority', action: 'fleet.init' }, (change) =>
    records.attributes.ensure(change, { subject: 'authority', kind: 'authority', attributes: {} }),
  );
  writeCredential(
    join(directory, 'operator.json'),
    await issueLocally(records, config, { subject: 'operator-1', kind: 'operator' }),
  );
  const { desk = 'here' } = made;
  for (const kind of ['gate', ...(desk === 'here' ? ['desk' as const] : [])] as const) {
    const credential = await issueLocally(records, config, { subject: `${kind}-1`, kind });
    writeCredential(credentialFileIn(join(directory, kind)), credential);
  }
}

/** The keys of the fleet that this directory is, or will be. */
export function keysOf(directory: string, keys: Keeping | undefined): Keys & AsyncDisposable {
  const { CREDENTIALS_DIRECTORY: credentials } = process.env;
  return openKeys({ directory, keys, system: realSystem, credentials });
}

/** The directory with its files of configuration, which are valid. */
export async function writeConfiguration(directory: string, made: WantedFleet): Promise<FleetConfig> {
  const { basePort, desk = 'here' } = made;
  const hosts = made.hosts ?? [...new Set(['localhost', '127.0.0.1', '::1', ...ownName()])];
  for (const inner of ['', 'authority', 'authority/keys', 'gate', ...(desk === 'here' ? ['desk'] : [])]) {
    makeDirectory(join(directory, inner));
  }
  const listenHost = hosts.every(isLoopback) || !made.hosts ? '127.0.0.1' : '0.0.0.0';
  const host = hosts[0] as string;
  const deskHost = desk === 'here' ? host : desk === 'none' ? undefined : desk.host;
  await replaceFile(join(directory, 'fleet.yaml'), fleetYaml({ ...made, hosts, listenHost, deskHost }));
  const beside = { host, listenHost, authorityPort: basePort };
  await replaceFile(
    join(directory, 'gate.yaml'),
    gateYaml({ ...beside, gatePort: basePort + 3, mqttPort: basePort + 4, coapPort: basePort + 5 }),
  );
  loadGateConfig(directory);
  if (desk === 'here') {
    await replaceFile(
      join(directory, 'desk.yaml'),
      deskYaml({
        ...{ ...beside, deskPort: basePort + 1, publicPort: basePort + 2 },
        ...{ estPort: basePort + 6, revocationPort: basePort + 9 },
      }),
    );
    loadDeskConfig(directory);
  }
  return loadFleetConfig(directory);
}

/** None where what the machine is called is no DNS name. */
const ownName = () => [hostname().toLowerCase()].filter((name) => Host.safeParse(name).success);

/** A certificate is no secret. */
const forEverybody = 0o644;

const isLoopback = (host: string) => ['localhost', '127.0.0.1', '::1'].includes(host);
