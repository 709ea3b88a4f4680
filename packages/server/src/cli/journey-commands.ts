import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { counted } from '@portcullis/contract';
import type { Command } from 'commander';
import type { FleetOptions } from './fleet-client.ts';
import type { Output } from './output.ts';

export function journeyCommands(program: Command, output: Output): void {
  const journey = program.command('journey').description('the ordered steps that shipments take');
  journey
    .command('check')
    .argument('<file>', 'as it lies, or will lie, in the folder "journeys" beside fleet.yaml')
    .description('check a journey, without an authority')
    .action((file: string, options: FleetOptions) => check(file, options, output));
}

/** What is declared, the fleet's file says: that of --fleet, else the one beside the folder that the journey lies in. */
async function check(file: string, { fleet }: FleetOptions, output: Output): Promise<void> {
  const { loadFleetConfig, readJourney } = await import('../config/config.ts');
  const directory = fleet ?? dirname(dirname(resolve(file)));
  const declared = existsSync(join(directory, 'fleet.yaml')) ? loadFleetConfig(directory).attributes : undefined;
  const { journey, steps } = readJourney(file, declared);
  if (!declared)
    output.notice(`warning: "${directory}" has no fleet.yaml: what attributes it declares was not looked at`);
  const result = { valid: true, journey, steps: steps.map(({ name }) => name), declared: declared !== undefined };
  output.result(result, `${file}: valid; "${journey}" has ${counted(steps.length, 'step')}`);
}
