import type { Command } from 'commander';
import { directoryOf, type FleetOptions } from './fleet-client.ts';
import type { Output } from './output.ts';

export function upgradeCommand(program: Command, output: Output): void {
  program
    .command('upgrade')
    .argument('[dir]')
    .description('bring a stopped store to the version of this program')
    .action(async (dir: string | undefined, options: FleetOptions) => {
      const { upgradeStore } = await import('../storage/storage.ts');
      const { commandOpening, placeIn } = await import('./store-place.ts');
      const migrations = await upgradeStore(placeIn(directoryOf(options, dir)), commandOpening());
      output.result({ migrations }, migrations === 0 ? 'nothing to do' : `${migrations} migrations done`);
    });
}
