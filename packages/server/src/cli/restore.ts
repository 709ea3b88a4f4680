import { existsSync } from 'node:fs';
import { chmod, copyFile, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { counted, PortcullisError } from '@portcullis/contract';
import { makeDirectory } from '@portcullis/device';
import type { Command } from 'commander';
import { type Manifest, type Replayed, readBackup, replay } from '../backup/backup.ts';
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
  segments?: string;
}

export function restoreCommand(program: Command, output: Output): void {
  program
    .command('restore')
    .argument('<file>', 'a backup that "portcullis backup" made')
    .argument('<dir>', 'the directory of the fleet: empty, or not there')
    .option('--keys <dir>', 'where the keys are that are not in the backup: key files as they stood in authority/keys')
    .option(
      '--segments <dir>',
      'what was shipped since; left out: the directory that "journal.ship" of the fleet names, where it is there',
    )
    .option('--sha256 <hex>', 'what the backup said of itself when it was made')
    .option(
      '--head <FILE|REVISION:HASH>',
      "a head that the backup must hold: a gate's heads.ndjson, a copy of journal.head, or what was noted (repeatable)",
      each,
    )
    .description(
      'make the directory of a fleet from a backup; gates and desks that have seen more refuse it until accept-restore',
    )
    .action((file: string, dir: string, options: RestoreOptions) => restore(file, dir, options, output));
}

async function restore(file: string, directory: string, options: RestoreOptions, output: Output): Promise<void> {
  requireEmpty(directory);
  const { sha256 } = options;
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(sha256))
    throw new PortcullisError(
      'usage',
      `"${sha256}" is no SHA-256: --sha256 takes 64 hex digits, as "backup" shows them`,
    );
  let restored: Restored | undefined;
  await makeWhole(directory, async (beside) => {
    makeDirectory(beside);
    restored = await restoreInto(beside, file, options, output);
  }).finally(() => output.progress(''));
  const { manifest, replayed, ...rest } = restored as Restored;
  const { fleet, madeAt, head } = manifest;
  const { segments, transactions } = replayed;
  const result = { fleet, directory, madeAt, backupRevision: head.revision, segments, transactions, ...rest };
  output.result(result, wordsOf(result));
}

interface Restored {
  manifest: Manifest;
  replayed: Replayed;
  /** Where it stands, with all that was shipped. */
  revision: number;
  hash: string;
  tokensVoided: number;
  keysMissing: string[];
}

/** Nothing of it is in its place before all of it was looked at: a crash leaves `DIR.new-PID`, which is no fleet. */
async function restoreInto(
  directory: string,
  file: string,
  { sha256, head, keys, segments }: RestoreOptions,
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
  const home = join(directory, 'authority');
  output.progress('doing again what was shipped since');
  const replayed = await replay(home, manifest, segments ?? shippedTo(directory));
  if (segments !== undefined && replayed.segments === 0) {
    throw new PortcullisError('file_unusable', `"${segments}" holds nothing that follows the backup "${file}"`);
  }
  output.progress('reading its store and journal');
  checkSqliteStore(home);
  await requireJournal(home, file, manifest.head, head);
  return { manifest, keysMissing, replayed, ...(await settle(directory, manifest, replayed)) };
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
async function settle(directory: string, { madeAt, head }: Manifest, { transactions }: Replayed) {
  const home = join(directory, 'authority');
  const { leaseMs } = loadFleetConfig(directory);
  await using store = await openSqliteStore(home);
  await using journal = await openJournal({ store, system: realSystem, headFile: join(home, 'journal.head') });
  await coverLeases(store, leaseMs);
  const { revision, revisionHash: hash } = journal.head();
  const body = (voided: number) => ({
    madeAt,
    backupRevision: head.revision,
    revision,
    transactions,
    tokensVoided: voided,
  });
  const tokensVoided = await journal.note({ actor: 'authority', action: 'fleet.restore', body }, voidUnusedTokens);
  return { tokensVoided, revision, hash };
}

/** Where it is there: it may have been lost with the machine. Where a program takes what is shipped only who runs it knows. */
function shippedTo(directory: string): string | undefined {
  const { ship } = loadFleetConfig(directory).journal;
  return typeof ship === 'string' && existsSync(ship) ? ship : undefined;
}

/** Resolves to those that are still to be brought. The root's is not: everything runs without it. */
async function bringKeys(directory: string, leftOut: readonly string[], from?: string): Promise<string[]> {
  makeDirectory(join(directory, 'authority/keys'));
  const wanted = leftOut.filter((name) => !name.startsWith('authority/keys/root'));
  if (from === undefined) return wanted;
  const there = new Set(await namesIn(from));
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

async function namesIn(directory: string): Promise<string[]> {
  return await readdir(directory).catch((cause: NodeJS.ErrnoException) => {
    const why = `"${directory}" is no directory of keys that can be read (${cause.code})`;
    throw new PortcullisError('file_unusable', why, { cause });
  });
}

interface Told {
  fleet: string;
  directory: string;
  madeAt: string;
  backupRevision: number;
  segments: number;
  transactions: number;
  revision: number;
  tokensVoided: number;
  keysMissing: string[];
}

function wordsOf(told: Told): string {
  const { fleet, directory, madeAt, backupRevision, segments, transactions, revision, tokensVoided, keysMissing } =
    told;
  const voided = counted(tokensVoided, 'token that nobody had used is void', 'tokens that nobody had used are void');
  const bring = keysMissing.map((name) => `  ${join(directory, name)}`);
  const since =
    segments === 0
      ? 'nothing that was shipped since is done again'
      : `${counted(transactions, 'transaction')} of ${counted(segments, 'segment')} done again: it is at revision ${revision}`;
  return `restored ${fleet} in ${directory} as it was at revision ${backupRevision}, ${madeAt}
${since}
${voided}: which were used since is not known${bring.length > 0 ? `\n\nBring these keys, mode 600, before you start it:\n${bring.join('\n')}` : ''}

Next:
  portcullis start authority ${directory}
  portcullis certificate forgotten   what gates know as cut and this store does not
  portcullis gate accept-restore     on each gate that has seen more, once what must not be undone is repeated
  portcullis desk accept-restore     the same on each desk, which answers nobody about certificates until then`;
}
