import { existsSync, readdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { FleetName, PortcullisError } from '@portcullis/contract';
import type { Command } from 'commander';
import { realSystem } from '../telemetry/telemetry.ts';
import { each } from './change-options.ts';
import { directoryOf, type FleetOptions } from './fleet-client.ts';
import type { Output } from './output.ts';

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
    const { makeFleetDirectory } = await import('./fleet-directory.ts');
    await makeFleetDirectory(beside, { fleet, basePort, hosts: options.host });
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

function wordsOf({ fleet, directory, rootKey }: { fleet: string; directory: string; rootKey: string }): string {
  return `made ${fleet} in ${directory}

Take this key offline now: ${rootKey}
  It signed the two issuers and signs nothing else; everything runs without it. Keep it where no network reaches.

Next:
  portcullis up ${directory}
  portcullis token create my-device --fleet ${directory}`;
}
