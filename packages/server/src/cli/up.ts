import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { loadDeskConfig, loadFleetConfig, loadGateConfig } from '../config/config.ts';
import { holdLock } from '../storage/storage.ts';
import { endInOrder } from './end-in-order.ts';
import { directoryOf, type FleetOptions } from './fleet-client.ts';
import { type LogOptions, logOption } from './log-destination.ts';
import type { Output } from './output.ts';
import { launcher, nodeEnvironment, nodeOptions, type Role, untilStopped } from './processes.ts';
import { listeningWords } from './start.ts';
import { Supervised } from './supervised.ts';

export function upCommand(program: Command, output: Output): void {
  program
    .command('up')
    .argument('[dir]')
    .option(...logOption)
    .description(
      'authority, gate and desk (where it has a desk.yaml) on this machine, each a process, until interrupted',
    )
    .action((dir: string | undefined, options: FleetOptions & LogOptions) =>
      up(directoryOf(options, dir), options, output),
    );
}

/**
 * Ends when it is told to, or when one of them does not come to listen at all: then nothing is left running. The others stop first,
 * so that a gate can give its lease back; then the authority.
 */
async function up(directory: string, { logFile }: LogOptions, output: Output): Promise<void> {
  loadFleetConfig(directory);
  loadGateConfig(directory);
  const hasDesk = existsSync(join(directory, 'desk.yaml'));
  if (hasDesk) loadDeskConfig(directory);
  const lock = holdLock(join(directory, 'up.lock'), { waitMs: 0 });
  const stopped = untilStopped();
  const words = [
    directory,
    ...(logFile === undefined ? [] : ['--log-file', logFile]),
    ...(output.json ? ['--json'] : []),
  ];
  const authority = supervise('authority', words, output);
  const others = (['gate', ...(hasDesk ? ['desk' as const] : [])] as const).map((role) =>
    supervise(role, words, output),
  );
  try {
    await Promise.race([Promise.all([authority, ...others].map(({ firstReady }) => firstReady)), stopped]);
    await stopped;
  } finally {
    await endInOrder(
      { stop: (over) => Promise.all(others.map((other) => other.stop(over))).then(() => undefined) },
      authority,
    );
    lock.release();
  }
}

function supervise(role: Role, words: readonly string[], output: Output): Supervised {
  return new Supervised({
    role,
    launch: () =>
      fork(launcher, ['start', role, ...words], {
        execArgv: [...nodeOptions],
        env: nodeEnvironment(),
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        // A Ctrl-C is for the parent, which ends the children in their order.
        detached: true,
      }),
    listens: (ready) => output.result(ready, listeningWords(ready)),
    notice: (words) => output.notice(words),
  });
}
