import { join } from 'node:path';
import { DeskView } from '@portcullis/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { directoryOf, type FleetOptions, withFleet } from './fleet-client.ts';
import type { JoinOptions } from './gate-join.ts';
import type { Listing, Output } from './output.ts';

export function deskCommands(program: Command, output: Output): void {
  const desk = program
    .command('desk')
    .description('what strangers reach: enrolment and renewal, relayed, and public look-ups');
  desk
    .command('join')
    .argument('<dir>')
    .argument(
      '<token|@file|->',
      'of kind desk: "portcullis token create desk-1 --kind desk --host NAME"; @FILE or - keeps it secret',
    )
    .option('--port <number>', 'where devices enrol and renew', '8441')
    .option('--public-port <number>', 'where anybody may look up what is public, for example 8442; left out: nowhere')
    .option(
      '--revocation-port <number>',
      'where lists of revoked certificates are, for example 8449; left out: nowhere',
    )
    .option('--est-port <number>', 'where devices enrol by EST, for example 8446; left out: nowhere')
    .option('--host <name>', 'where devices reach it; one of the names of its token', 'localhost')
    .option('--listen <address>', 'the address that it binds', '127.0.0.1')
    .option('--replace', 'give the desk of this directory a new credential, though it has one that is not over')
    .description(
      'make the directory of a desk, or give the desk of a directory a new credential; "portcullis start desk DIR" runs it',
    )
    .action(async (dir: string, word: string, options: JoinOptions, command: Command) => {
      const given = ['port', 'publicPort', 'estPort', 'revocationPort', 'host', 'listen'].filter(
        (name) => command.getOptionValueSource(name) === 'cli',
      );
      const { joinFleet } = await import('./gate-join.ts');
      const { tokenFrom } = await import('@portcullis/device');
      await joinFleet('desk', dir, await tokenFrom(word), { ...options, given }, output);
    });
  desk
    .command('list')
    .description('desks, and what each last said of itself')
    .action((options: FleetOptions) => list(options, output));
  desk
    .command('accept-restore')
    .argument('[dir]')
    .description('believe an authority that was restored from a backup: forget the history that this desk was told of')
    .action((dir: string | undefined, options: FleetOptions) => forget(directoryOf(options, dir), output));
}

async function forget(directory: string, output: Output): Promise<void> {
  const { acceptRestore, positionIn } = await import('../desk/desk.ts');
  const { loadDeskConfig } = await import('../config/config.ts');
  loadDeskConfig(directory);
  const forgotten = await acceptRestore(positionIn(join(directory, 'desk')));
  const words = forgotten ? 'the desk starts anew from what the authority has' : 'the desk holds no history';
  output.result({ forgotten }, words);
}

async function list(options: FleetOptions, output: Output): Promise<void> {
  await withFleet(options, async (client) => {
    const { items } = await client.get('/v1/desks', z.object({ items: z.array(DeskView) }));
    await output.list(items, deskListing);
  });
}

const heardWords = ({ lastHeardMs }: DeskView) =>
  lastHeardMs === null ? 'never' : `${Math.round(lastHeardMs / 1_000)} s ago`;

/** As of which revision, and how long ago the authority said that this is all. */
const lookUpWords = (known: NonNullable<DeskView['report']>['lookUps'] | undefined) =>
  known ? `revision ${known.revision}, ${known.ageMs} ms ago` : 'none';

const deskListing: Listing<DeskView> = {
  columns: [
    { title: 'DESK', priority: 1, value: ({ desk }) => desk },
    { title: 'HEARD', priority: 1, value: heardWords },
    { title: 'CONNECTED', priority: 2, align: 'right', value: ({ report }) => report?.connections },
    { title: 'RELAYED', priority: 2, align: 'right', value: ({ report }) => report?.relayed },
    { title: 'TURNED AWAY', priority: 3, align: 'right', value: ({ report }) => report?.turnedAway },
    { title: 'LOOK-UPS', priority: 3, value: ({ report }) => lookUpWords(report?.lookUps) },
    { title: 'URL', priority: 3, value: ({ report }) => report?.url },
    { title: 'SINCE', priority: 4, value: ({ report }) => report?.startedAt },
    { title: 'VERSION', priority: 5, value: ({ report }) => report?.version },
  ],
  none: 'there is no desk',
};
