import { counted } from '@portcullis/contract';
import type { Command } from 'commander';
import { directoryOf, type FleetOptions } from './fleet-client.ts';
import type { Output } from './output.ts';

interface BackupOptions extends FleetOptions {
  withKeys?: boolean;
}

export function backupCommand(program: Command, output: Output): void {
  program
    .command('backup')
    .argument('<file>', 'the backup, a file of its owner alone; none of this name is there yet')
    .option(
      '--with-keys',
      "also the issuers' keys, the key of key credentials and operators' credentials; never the root's",
    )
    .description('copy the authority of this machine, while it runs, into one file that was read back')
    .action((file: string, options: BackupOptions) => backup(file, options, output));
}

async function backup(file: string, options: BackupOptions, output: Output): Promise<void> {
  const directory = directoryOf(options);
  const { requireFile } = await import('./store-place.ts');
  requireFile(directory, '"portcullis backup"');
  const { loadFleetConfig } = await import('../config/config.ts');
  const { makeBackup } = await import('../backup/backup.ts');
  const { realSystem, timestamp, version } = await import('../telemetry/telemetry.ts');
  const { fleet } = loadFleetConfig(directory);
  const { withKeys = false } = options;
  const madeAt = timestamp(realSystem.now());
  const progress = (words: string) => output.progress(words);
  await afterOthers();
  const whole = await makeBackup({ directory, file, fleet, version, madeAt, withKeys, progress }).finally(() =>
    progress(''),
  );
  const { head, members, keysLeftOut } = whole.manifest;
  const bytes = members.reduce((sum, member) => sum + member.bytes, 0);
  const result = { file, fleet, madeAt, ...head, bytes, sha256: whole.sha256, withKeys, keysLeftOut };
  const what = `${counted(members.length, 'file')}, ${bytes} bytes, as of revision ${head.revision} (entry ${head.position})`;
  output.result(
    result,
    [`made ${file}: ${what}`, `sha256 ${whole.sha256}`, keyWords(withKeys, keysLeftOut)].join('\n'),
  );
}

/** What decides and answers comes before a copy. */
async function afterOthers(): Promise<void> {
  const { constants, setPriority } = await import('node:os');
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
}

function keyWords(withKeys: boolean, leftOut: readonly string[]): string {
  const without = leftOut.length > 0 ? `not in it, to be kept apart: ${leftOut.join(', ')}` : 'no key was left out';
  return withKeys ? `the issuers' keys are in it: whoever has this file is the fleet; ${without}` : without;
}
