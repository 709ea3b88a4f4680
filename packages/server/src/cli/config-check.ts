import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { GatePolicyFiles, loadFleetConfig } from '../config/config.ts';
import { directoryOf, type FleetOptions } from './fleet-client.ts';
import type { Output } from './output.ts';

export function configCommands(program: Command, output: Output): void {
  program
    .command('config')
    .description('the configuration files')
    .command('check')
    .argument('[dir]')
    .description('check fleet.yaml, gate.yaml and the files that it names, without starting anything')
    .action(async (dir: string | undefined, options: FleetOptions) => {
      const { compilePolicy } = await import('../gate/gate.ts');
      const directory = directoryOf(options, dir);
      const files = ['fleet.yaml', 'gate.yaml'].filter((name) => existsSync(join(directory, name)));
      if (files.includes('fleet.yaml') || files.length === 0) loadFleetConfig(directory);
      if (files.includes('gate.yaml')) compilePolicy((await new GatePolicyFiles(directory).load()).streams, 0);
      output.result({ valid: true, files }, `${files.join(' and ')}: valid`);
    });
}
