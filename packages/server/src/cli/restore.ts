import { chmod, copyFile, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { counted, PortcullisError } from '@portcullis/contract';
import { makeDirectory } from '@portcullis/device';
import type { Command } from 'commander';
import { type Manifest, readBackup } from '../backup/backup.ts';
import { loadFleetConfig } from '../config/config.ts';
import { voidUnusedTokens } from '../enrolment/enrolment.ts';
import { coverLeases } from '../feed/feed.ts';
import { openJournal, verifyJournal } from '../journal/journal.ts';
import { checkSqliteStore, openSqliteStore, readSqliteStore } from '../storage/storage.ts';
import { realSystem } from '../telemetry/telemetry.ts';
import { each } from './change-options.ts';
import type { FleetOptions } from './fleet-client.ts';
import { headsGiven } from './journal-verify.ts';
import type { Output } from './output.ts';
import { makeWhole, requireEmpty } from './whole-directory.ts';

interface RestoreOptions extends FleetOptions {
  sha256?: string;
  head?: string[];
  keys?: string;
}

export function restoreCommand(program: Command, output: Output): void {
  program
    .command('restore')
    .argument('<file>', 'a backup that "portcullis backup" made')
    .argument('<dir>', 'the directory of the fleet: empty, or not there')
    .option('--keys <dir>', 'where the keys are that are not in the backup: key files as they stood in authority/keys')
    .option('--sha256 <hex>', 'what the backup said of itself when it was made')
    .option(
      '--head <FILE|REVISION:HASH>',
      "a head that the backup must hold: a gate's heads.ndjson, a copy of journal.head, or what was noted (repeatable)",
      each,
    )
    .description(
      'make the directory of a fleet from a backup; gates that have seen more refuse it until accept-restore',
    )
    .action((file: string, dir: string, options: RestoreOptions) => restore(file, dir, options, output));
}

async function restore(file: string, directory: string, options: RestoreOptions, output: Output): Promise<void> {
  requireEmpty(directory);
  let restored: Restored | undefined;
  await makeWhole(directory, async (beside) => {
    makeDirectory(beside);
    restored = await restoreInto(beside, file, options, output);
  }).finally(() => output.progress(''));
  const { manifest, tokensVoided, keysMissing } = restored as Restored;
  const { fleet, madeAt, head } = manifest;
  const result = { fleet, directory, madeAt, revision: head.revision, hash: head.hash, tokensVoided, keysMissing };
  output.result(result, wordsOf(result));
}

interface Restored {
  manifest: Manifest;
  tokensVoided: number;
  keysMissing: string[];
}

/** Nothing of it is in its place before all of it was looked at: a crash leaves `DIR.new-PID`, which is no fleet. */
async function restoreInto(
  directory: string,
  file: string,
  { sha256, head, keys }: RestoreOptions,
  output: Output,
): Promise<Restored> {
  output.progress('reading the backup');
  const { manifest, ...whole } = await readBackup(file, { directory, makeFolder: makeDirectory });
  if (sha256 !== undefined && sha256.toLowerCase() !== whole.sha256) {
    throw new PortcullisError(
      'backup_damaged',
      `"${file}" has the SHA-256 ${whole.sha256}, not the one that was given`,
    );
  }
  const keysMissing = await bringKeys(directory, manifest.keysLeftOut, keys);
  output.progress('reading its store and journal');
  const home = join(directory, 'authority');
  checkSqliteStore(home);
  await requireJournal(home, file, manifest.head, head);
  return { manifest, keysMissing, tokensVoided: await settle(directory, manifest) };
}

async function requireJournal(home: string, file: string, head: Manifest['head'], given: string[] = []): Promise<void> {
  const { position, hash } = head;
  const heads = [{ position, hash, by: 'the list of what is in it' }, ...given.flatMap(headsGiven)];
  const { broken } = await verifyJournal(readSqliteStore(home), heads);
  if (!broken) return;
  const { position: at, why } = broken;
  throw new PortcullisError('backup_damaged', `the journal in "${file}" does not hold at entry ${at}: ${why}`);
}

/** What the store can not know is taken for the worse: leases that run, tokens that were used. */
async function settle(directory: string, { madeAt, head }: Manifest): Promise<number> {
  const home = join(directory, 'authority');
  const { leaseMs } = loadFleetConfig(directory);
  await using store = await openSqliteStore(home);
  await using journal = await openJournal({ store, system: realSystem, headFile: join(home, 'journal.head') });
  await coverLeases(store, leaseMs);
  const body = (tokensVoided: number) => ({ madeAt, revision: head.revision, tokensVoided });
  return journal.note({ actor: 'authority', action: 'fleet.restore', body }, voidUnusedTokens);
}

/** Resolves to those that are still to be brought. The root's is not: everything runs without it. */
async function bringKeys(directory: string, leftOut: readonly string[], from?: string): Promise<string[]> {
  makeDirectory(join(directory, 'authority/keys'));
  const wanted = leftOut.filter((name) => !name.startsWith('authority/keys/root'));
  if (from === undefined) return wanted;
  const there = new Set(await readdir(from));
  const missing: string[] = [];
  for (const name of wanted) {
    const target = join(directory, name);
    if (!there.has(basename(name))) missing.push(name);
    else {
      await copyFile(join(from, basename(name)), target);
      await chmod(target, 0o600);
    }
  }
  return missing;
}

interface Told {
  fleet: string;
  directory: string;
  madeAt: string;
  revision: number;
  tokensVoided: number;
  keysMissing: string[];
}

function wordsOf({ fleet, directory, madeAt, revision, tokensVoided, keysMissing }: Told): string {
  const voided = counted(tokensVoided, 'token that nobody had used is void', 'tokens that nobody had used are void');
  const bring = keysMissing.map((name) => `  ${join(directory, name)}`);
  return `restored ${fleet} in ${directory} as it was at revision ${revision}, ${madeAt}
${voided}: which were used since is not known${bring.length > 0 ? `\n\nBring these keys, mode 600, before you start it:\n${bring.join('\n')}` : ''}

Next:
  portcullis start authority ${directory}
  portcullis certificate forgotten   what gates know as cut and this store does not
  portcullis gate accept-restore     on each gate that has seen more, once what must not be undone is repeated`;
}
