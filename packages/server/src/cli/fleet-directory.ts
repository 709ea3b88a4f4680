import { hostname } from 'node:os';
import { join } from 'node:path';
import { type FleetName, Host } from '@portcullis/contract';
import { credentialFileIn, makeDirectory, writeCredential } from '@portcullis/device';
import { assembleRecords } from '../assemble.ts';
import { loadFleetConfig, loadGateConfig } from '../config/config.ts';
import { makeFleet } from '../issuance/issuance.ts';
import { fileKeys } from '../keys/keys.ts';
import { createSqliteStore } from '../storage/storage.ts';
import { realSystem, replaceFile } from '../telemetry/telemetry.ts';
import { issueLocally } from './issue-locally.ts';
import { fleetYaml, gateYaml } from './yaml-templates.ts';

/** All that a fleet begins with: root, issuers, the first operator and gate, and the two files of configuration. */
export async function makeFleetDirectory(
  directory: string,
  made: { fleet: FleetName; basePort: number; hosts: string[] | undefined },
): Promise<void> {
  const { fleet, basePort } = made;
  const hosts = made.hosts ?? [...new Set(['localhost', '127.0.0.1', '::1', ...ownName()])];
  for (const inner of ['', 'authority', 'authority/keys', 'gate']) {
    makeDirectory(join(directory, inner));
  }
  const listenHost = hosts.every(isLoopback) || !made.hosts ? '127.0.0.1' : '0.0.0.0';
  await replaceFile(join(directory, 'fleet.yaml'), fleetYaml({ fleet, hosts, listenHost, basePort }));
  await replaceFile(
    join(directory, 'gate.yaml'),
    gateYaml({ host: hosts[0] as string, listenHost, authorityPort: basePort, gatePort: basePort + 3 }),
  );
  loadGateConfig(directory);
  const config = loadFleetConfig(directory);
  const home = join(directory, 'authority');
  const store = await createSqliteStore(home);
  const { root } = await makeFleet({ store, keys: fileKeys(join(home, 'keys')), system: realSystem, fleet });
  await store[Symbol.asyncDispose]();
  await replaceFile(join(directory, 'root.pem'), root, forEverybody);
  await using stack = new AsyncDisposableStack();
  const records = await assembleRecords(directory, config, stack);
  await records.journal.change({ actor: 'authority', action: 'fleet.init' }, (change) =>
    records.attributes.ensure(change, { subject: 'authority', kind: 'authority', attributes: {} }),
  );
  writeCredential(
    join(directory, 'operator.json'),
    await issueLocally(records, config, { subject: 'operator-1', kind: 'operator' }),
  );
  const gate = await issueLocally(records, config, { subject: 'gate-1', kind: 'gate' });
  writeCredential(credentialFileIn(join(directory, 'gate')), gate);
}

/** None where what the machine is called is no DNS name. */
const ownName = () => [hostname().toLowerCase()].filter((name) => Host.safeParse(name).success);

/** A certificate is no secret. */
const forEverybody = 0o644;

const isLoopback = (host: string) => ['localhost', '127.0.0.1', '::1'].includes(host);
