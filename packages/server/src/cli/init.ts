import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { FleetName, PortcullisError } from '@portcullis/contract';
import { credentialFileIn, writeCredential } from '@portcullis/device';
import type { Command } from 'commander';
import { assembleRecords } from '../assemble.ts';
import { loadFleetConfig, loadGateConfig } from '../config/config.ts';
import { makeFleet } from '../issuance/issuance.ts';
import { fileKeys } from '../keys/keys.ts';
import { createSqliteStore } from '../storage/storage.ts';
import { realSystem } from '../telemetry/telemetry.ts';
import { each } from './change-options.ts';
import { directoryOf, type FleetOptions } from './fleet-client.ts';
import { issueLocally } from './issue-locally.ts';
import type { Output } from './output.ts';
import { fleetYaml, gateYaml } from './yaml-templates.ts';

interface InitOptions extends FleetOptions {
  basePort: string;
  host?: string[];
}

export function initCommand(program: Command, output: Output): void {
  program
    .command('init')
    .argument('[dir]')
    .option('--base-port <number>', 'API, enrolment, public and gate listen on N to N+3', '8440')
    .option(
      '--host <name>',
      'a DNS name or address of the servers, repeatable (localhost, 127.0.0.1, ::1 and the name of this machine)',
      each,
    )
    .description('make a fleet: root, issuers, first operator, first gate, fleet.yaml and gate.yaml')
    .action((dir: string | undefined, options: InitOptions) => init(directoryOf(options, dir), options, output));
}

async function init(directory: string, options: InitOptions, output: Output): Promise<void> {
  const basePort = Number(options.basePort);
  if (!Number.isInteger(basePort) || basePort < 1 || basePort > 65_532) {
    throw new PortcullisError('usage', `--base-port ${options.basePort} is not a port; it must be from 1 to 65532`);
  }
  if (existsSync(directory) && readdirSync(directory).length > 0) {
    throw new PortcullisError('fleet_exists', `"${directory}" is not empty; choose another directory`);
  }
  const fleet = FleetName.parse(`fleet-${realSystem.random(4).toString('hex')}`);
  // Made beside and put in its place as a whole: a crash leaves nothing half-made where a fleet should be.
  const beside = `${resolve(directory)}.new-${process.pid}`;
  try {
    await makeDirectory(beside, { fleet, basePort, hosts: options.host });
    if (existsSync(directory)) rmdirSync(directory);
    renameSync(beside, directory);
  } finally {
    rmSync(beside, { recursive: true, force: true });
  }
  const rootKey = join(directory, 'authority/keys/root.pem');
  const result = {
    fleet,
    directory,
    root: join(directory, 'root.pem'),
    operator: join(directory, 'operator.json'),
    rootKey,
  };
  output.result(result, wordsOf(result));
}

async function makeDirectory(
  directory: string,
  made: { fleet: FleetName; basePort: number; hosts: string[] | undefined },
): Promise<void> {
  const { fleet, basePort } = made;
  const hosts = made.hosts ?? [...new Set(['localhost', '127.0.0.1', '::1', hostname().toLowerCase()])];
  for (const inner of ['', 'authority', 'authority/keys', 'gate']) {
    mkdirSync(join(directory, inner), { recursive: true, mode: 0o700 });
  }
  const listenHost = hosts.every(isLoopback) || !made.hosts ? '127.0.0.1' : '0.0.0.0';
  writeFileSync(join(directory, 'fleet.yaml'), fleetYaml({ fleet, hosts, listenHost, basePort }), { mode: 0o600 });
  writeFileSync(
    join(directory, 'gate.yaml'),
    gateYaml({ host: hosts[0] as string, listenHost, authorityPort: basePort, gatePort: basePort + 3 }),
    { mode: 0o600 },
  );
  loadGateConfig(directory);
  const config = loadFleetConfig(directory);
  const home = join(directory, 'authority');
  const store = await createSqliteStore(home);
  const { root } = await makeFleet({ store, keys: fileKeys(join(home, 'keys')), system: realSystem, fleet });
  await store[Symbol.asyncDispose]();
  writeFileSync(join(directory, 'root.pem'), root);
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

const isLoopback = (host: string) => ['localhost', '127.0.0.1', '::1'].includes(host);

function wordsOf({ fleet, directory, rootKey }: { fleet: string; directory: string; rootKey: string }): string {
  return `made ${fleet} in ${directory}

Take this key offline now: ${rootKey}
  It signed the two issuers and signs nothing else; everything runs without it. Keep it where no network reaches.

Next:
  portcullis up ${directory}
  portcullis token create my-device --fleet ${directory}`;
}
