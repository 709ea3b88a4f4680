import { statSync } from 'node:fs';
import { join } from 'node:path';
import { counted, PortcullisError } from '@portcullis/contract';
import type { Command } from 'commander';
import { directoryOf, type FleetOptions } from './fleet-client.ts';
import type { Output } from './output.ts';

export function migrateCommand(program: Command, output: Output): void {
  program
    .command('migrate')
    .argument('[dir]')
    .option(
      '--to <address>',
      'a PostgreSQL database: postgres://USER@HOST/DATABASE?schema=NAME&passfile=FILE (a file of the fleet); the schema holds no store yet',
    )
    .description(
      'move the store of a stopped authority from its file into PostgreSQL; the file is used until all of it was read back',
    )
    .action((dir: string | undefined, options: FleetOptions & { to?: string }) =>
      migrate(directoryOf(options, dir), placeGiven(options.to), output).finally(() => output.progress('')),
    );
}

function placeGiven(to: string | undefined): string {
  if (to !== undefined) return to;
  throw new PortcullisError('usage', '--to is missing: postgres://USER@HOST/DATABASE, where the store goes');
}

/** A crash before `fleet.yaml` names the database leaves the file in use, and what is there by then is taken up again; after that, the file is only put aside. */
async function migrate(directory: string, to: string, output: Output): Promise<void> {
  const { loadFleetConfig, withKey } = await import('../config/config.ts');
  const { hasSqliteStore, openMove, readStore } = await import('../storage/storage.ts');
  const { placeIn } = await import('./store-place.ts');
  const config = loadFleetConfig(directory);
  const home = join(directory, 'authority');
  const place = placeIn(directory, { store: to });
  if (config.store !== undefined && config.store !== to)
    throw new PortcullisError(
      'usage',
      `the store of "${directory}" is in PostgreSQL already, by another address in "store" of fleet.yaml`,
    );
  if (config.journal.ship !== undefined)
    throw new PortcullisError(
      'usage',
      '"journal.ship" is of a store in a file: take it out of fleet.yaml first; PostgreSQL has its own replication',
    );
  const told = { directory, ...(place.postgres && { store: place.postgres.words }) };
  if (config.store === to && !hasSqliteStore(home)) {
    await readStore(place).snapshot(async () => undefined);
    return output.result({ ...told, rows: 0 }, `nothing to do: the store is ${told.store}`);
  }
  using move = openMove(home);
  if (config.store === to) {
    await move.setAside();
    return output.result({ ...told, rows: 0 }, `the store is ${told.store}; its file was put aside`);
  }
  const file = join(directory, 'fleet.yaml');
  const next = withKey(file, 'store', to);
  const { rows } = await move.copy(place, (doing, table, done) => output.progress(`${doing} ${table}: ${done} rows`));
  output.progress('reading the journal back');
  await requireJournal(directory, place);
  const { replaceFile } = await import('../telemetry/telemetry.ts');
  await replaceFile(file, next, statSync(file).mode & 0o777);
  await move.setAside();
  output.result(
    { ...told, rows },
    `${counted(rows, 'row')} moved to ${told.store}, and read back; fleet.yaml names it, and the file is out of use as authority/store.moved.db`,
  );
}

type Place = Parameters<typeof import('../storage/storage.ts').readStore>[0];

async function requireJournal(directory: string, place: Place): Promise<void> {
  const { readHeadFile, verifyJournal } = await import('../journal/journal.ts');
  const { readStore } = await import('../storage/storage.ts');
  const head = readHeadFile(join(directory, 'authority/journal.head'));
  const { broken } = await verifyJournal(readStore(place), head ? [head] : []);
  if (!broken) return;
  throw new PortcullisError('journal_damaged', `entry ${broken.position}: ${broken.why}; the file is in use as before`);
}
