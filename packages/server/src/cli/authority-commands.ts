import { join } from 'node:path';
import { AuthorityView, PortcullisError } from '@portcullis/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { each } from './change-options.ts';
import { directoryOf, type FleetOptions, withFleet } from './fleet-client.ts';
import type { Listing, Output } from './output.ts';

export interface JoinOptions {
  request?: string;
  answer?: string;
  fingerprint?: string;
  host?: string[];
  listen: string;
  apiPort: string;
  enrolmentPort: string;
}

export interface ApproveOptions extends FleetOptions {
  fingerprint?: string;
  reason?: string;
}

export function authorityCommands(program: Command, output: Output): void {
  const authority = program
    .command('authority')
    .description('machines that may lead beside the first one, at the same PostgreSQL');
  authority
    .command('join')
    .argument('<dir>', 'of an authority on this machine: not there yet')
    .option('--request <file>', 'the first step: make a key here, and write what "authority approve" is given')
    .option('--answer <file>', 'the second step: what "authority approve" wrote')
    .option('--fingerprint <hex>', 'of the answer, as "authority approve" printed it')
    .option('--host <name>', 'a DNS name or address of this machine, repeatable (localhost)', each)
    .option('--listen <address>', 'the address that it binds', '127.0.0.1')
    .option('--api-port <number>', 'where it will listen for gates and operators', '8440')
    .option('--enrolment-port <number>', 'where it will listen for enrolment', '8448')
    .description('make the directory of an authority that stands by, in two steps with two files that are carried')
    .action(async (dir: string, options: JoinOptions) => {
      const { askToJoin, join } = await import('./authority-join.ts');
      if ((options.request === undefined) === (options.answer === undefined))
        throw new PortcullisError('usage', 'give either --request or --answer');
      return options.request === undefined ? join(dir, options, output) : askToJoin(dir, options, output);
    });
  authority
    .command('approve')
    .argument('<name>', 'how it is called from now on')
    .argument('<request>', 'the file that "authority join --request" made')
    .argument('<answer>', 'to be carried back: none of this name is there yet')
    .option('--fingerprint <hex>', 'of the request, as that machine printed it; ask whoever stands before it')
    .option('--reason <text>', 'why, for the journal')
    .description(
      "let a machine lead when this one is gone: writes the configuration and the issuers' keys of this directory, sealed for its key alone",
    )
    .action(async (name: string, request: string, answer: string, options: ApproveOptions) => {
      const { approve } = await import('./authority-approve.ts');
      return approve(directoryOf(options), { name, request, answer, ...options }, output);
    });
  authority
    .command('list')
    .description('list machines that may lead beside the first one, and those that may no more')
    .action((options: FleetOptions) =>
      withFleet(options, async (client) => {
        const { items } = await client.get('/v1/authorities', z.object({ items: z.array(AuthorityView) }));
        await output.list(items, listing);
      }),
    );
  authority
    .command('accept-restore')
    .argument('[dir]')
    .description(
      'let the authority of this directory lead a store that is behind what it has seen, or on another history: one that was restored, or fell back to a copy',
    )
    .action(async (dir: string | undefined, options: FleetOptions) => {
      const { acceptRestored } = await import('../journal/journal.ts');
      const { loadFleetConfig } = await import('../config/config.ts');
      const directory = directoryOf(options, dir);
      loadFleetConfig(directory);
      const forgotten = await acceptRestored(join(directory, 'authority/journal.head'));
      const words = forgotten ? 'the authority leads what it finds from now on' : 'the authority holds no history';
      output.result({ forgotten }, words);
    });
  authority
    .command('accept-config')
    .argument('[dir]')
    .description(
      'let the configuration in this directory, fleet.yaml, rules/ and journeys/, be the one that the fleet is led by: whoever has it may lead next, though it differs from what who leads has now',
    )
    .action(async (dir: string | undefined, options: FleetOptions) => {
      const { acceptConfig } = await import('./authority-config.ts');
      return acceptConfig(directoryOf(options, dir), output);
    });
  authority
    .command('revoke')
    .argument('<name>')
    .option('--reason <text>', 'why, for the journal')
    .description('let a machine lead no more; what it holds it has: see the page about PostgreSQL')
    .action((name: string, options: FleetOptions & { reason?: string }) => revoke(name, options, output));
}

async function revoke(name: string, { reason, ...options }: FleetOptions & { reason?: string }, output: Output) {
  await withFleet(options, async (client) => {
    const path = `/v1/authorities/${encodeURIComponent(name)}/revocation`;
    const view = await client.post(path, reason === undefined ? {} : { reason }, AuthorityView);
    output.result(view, `${name} leads no more`);
  });
  output.notice(
    "it still holds the issuers' keys and the way to the database: if somebody else may have them, change its role's password there, and follow the issuers by others (portcullis rollover)",
  );
}

const listing: Listing<AuthorityView> = {
  columns: [
    { title: 'AUTHORITY', priority: 1, value: ({ name }) => name },
    {
      title: 'STATE',
      priority: 1,
      value: ({ revokedAt }) => (revokedAt === null ? 'approved' : 'revoked'),
      colour: ({ revokedAt }) => (revokedAt === null ? 'green' : 'red'),
    },
    { title: 'HOSTS', priority: 2, value: ({ hosts }) => hosts.join(', ') },
    { title: 'APPROVED', priority: 3, value: ({ approvedAt }) => approvedAt },
    { title: 'BY', priority: 3, value: ({ approvedBy }) => approvedBy },
    { title: 'FINGERPRINT', priority: 4, value: ({ fingerprint }) => fingerprint },
  ],
  none: 'no machine but the first may lead',
};
