import type { Command } from 'commander';
import { loadFleetConfig, loadGateConfig } from '../config/config.ts';
import { directoryOf, type FleetOptions } from './fleet-client.ts';
import type { Output } from './output.ts';
import { untilStopped } from './processes.ts';
import { Supervised } from './supervised.ts';

export function upCommand(program: Command, output: Output): void {
  program
    .command('up')
    .argument('[dir]')
    .description('authority and gate on this machine, as two processes, until interrupted')
    .action((dir: string | undefined, options: FleetOptions) => up(directoryOf(options, dir), output));
}

/** The gate stops first, so that it can give its lease back; then the authority. */
async function up(directory: string, output: Output): Promise<void> {
  loadFleetConfig(directory);
  loadGateConfig(directory);
  const stopped = untilStopped();
  const authority = new Supervised('authority', directory, output);
  const gate = new Supervised('gate', directory, output);
  try {
    await Promise.race([Promise.all([authority.firstReady, gate.firstReady]), stopped]);
    await stopped;
  } finally {
    await gate.stop();
    await authority.stop();
  }
}
