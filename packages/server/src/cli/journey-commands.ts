import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { counted, JourneyView } from '@portcullis/contract';
import type { Command } from 'commander';
import { type FleetOptions, withFleet } from './fleet-client.ts';
import type { Listing, Output } from './output.ts';

export function journeyCommands(program: Command, output: Output): void {
  const journey = program.command('journey').description('the ordered steps that shipments take');
  journey
    .command('list')
    .description('list journeys by their newest versions')
    .action(async (options: FleetOptions) => {
      await withFleet(options, async (client) => {
        await output.list(client.pages('/v1/journeys', JourneyView), listing);
      });
    });
  journey
    .command('check')
    .argument('<file>', 'as it lies, or will lie, in the folder "journeys" beside fleet.yaml')
    .description('check a journey, without an authority')
    .action((file: string, options: FleetOptions) => check(file, options, output));
}

const listing: Listing<JourneyView> = {
  columns: [
    { title: 'JOURNEY', priority: 1, value: ({ journey }) => journey },
    { title: 'VERSION', priority: 1, align: 'right', value: ({ version }) => version },
    { title: 'SINCE', priority: 2, value: ({ since }) => since },
    { title: 'STEPS', priority: 1, least: 16, value: ({ steps }) => steps.map(({ name }) => name).join(', ') },
    { title: 'OFFLINE', priority: 3, value: ({ offline }) => offline.join(', ') },
  ],
  none: 'there is no journey; a file in the folder "journeys" makes one',
};

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
