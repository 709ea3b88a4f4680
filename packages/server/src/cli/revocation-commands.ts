import { type IssuerList, RevocationLists } from '@portcullis/contract';
import type { Command } from 'commander';
import { type FleetClient, type FleetOptions, withFleet } from './fleet-client.ts';
import type { Listing, Output } from './output.ts';

export function revocationCommands(program: Command, output: Output): void {
  const revocation = program
    .command('revocation')
    .description('lists of revoked and suspended certificates, for whoever verifies them without a gate');
  revocation
    .command('list')
    .description('the newest list of each issuer')
    .action(async (options: FleetOptions) => {
      await withFleet(options, async (client) => {
        await output.list((await listsOf(client)).items ?? [], issuerListing);
      });
    });
  revocation
    .command('export')
    .argument('<dir>')
    .description(
      'write issuers.pem and lists.pem in DIR/current, for programs that load files: of each issuer, the root too, its certificate and one list; both change at once',
    )
    .action(async (directory: string, options: FleetOptions) => {
      await withFleet(options, async (client) => exportTo(directory, client, output));
    });
}

const listsOf = (client: FleetClient) => client.get('/v1/revocation-lists', RevocationLists);

async function exportTo(directory: string, client: FleetClient, output: Output): Promise<void> {
  const [{ exportLists }, { realSystem }] = await Promise.all([
    import('./list-export.ts'),
    import('../telemetry/telemetry.ts'),
  ]);
  const { items = [] } = await listsOf(client);
  const exported = await exportLists(directory, items, realSystem);
  const { issuers, lists, nextUpdate, changed } = exported;
  output.result(exported, `${issuers}\n${lists}: ${changed ? '' : 'as before, '}until ${nextUpdate}`);
}

const issuerListing: Listing<IssuerList> = {
  columns: [
    { title: 'ISSUER', priority: 1, value: ({ issuer }) => issuer },
    { title: 'NUMBER', priority: 2, align: 'right', value: ({ list }) => list?.number },
    { title: 'ENTRIES', priority: 1, align: 'right', value: ({ list }) => list?.entries },
    { title: 'OF', priority: 1, value: ({ list }) => list?.thisUpdate },
    { title: 'UNTIL', priority: 1, value: ({ list }) => list?.nextUpdate },
    { title: 'NAME', priority: 3, value: ({ name }) => name },
  ],
  none: 'there is no issuer',
};
