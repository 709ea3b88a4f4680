import { join } from 'node:path';
import { type IssuerList, PortcullisError, RevocationLists } from '@portcullis/contract';
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
        await output.list(await issuersOf(client), issuerListing);
      });
    });
  revocation
    .command('export')
    .argument('<dir>')
    .description(
      'write issuers.pem and lists.pem, for programs that load files: of each issuer, the root too, its certificate and one list',
    )
    .action(async (directory: string, options: FleetOptions) => {
      await withFleet(options, async (client) => exportTo(directory, await issuersOf(client), output));
    });
}

async function issuersOf(client: FleetClient): Promise<IssuerList[]> {
  const { items = [] } = await client.get('/v1/revocation-lists', RevocationLists);
  return items;
}

/** Whoever checks a whole chain refuses all of it where one list is missing: so none is written without the others. */
async function exportTo(directory: string, issuers: readonly IssuerList[], output: Output): Promise<void> {
  const lacking = issuers.filter(({ list }) => list === null).map(({ issuer }) => issuer);
  if (lacking.length > 0) {
    const who = lacking.join(', ');
    throw new PortcullisError('server_unreachable', `the authority has no list of [${who}]: nobody here can sign it`);
  }
  const [{ toPem }, { replaceFile }, { makeDirectory }] = await Promise.all([
    import('../pki/pki.ts'),
    import('../telemetry/telemetry.ts'),
    import('@portcullis/device'),
  ]);
  const pem = (label: string, base64: string) => toPem(label, Buffer.from(base64, 'base64'));
  const files = {
    issuers: join(directory, 'issuers.pem'),
    lists: join(directory, 'lists.pem'),
  };
  makeDirectory(directory);
  await replaceFile(files.issuers, issuers.map(({ certificate }) => pem('CERTIFICATE', certificate)).join(''), 0o644);
  await replaceFile(files.lists, issuers.map(({ list }) => pem('X509 CRL', list?.der ?? '')).join(''), 0o644);
  const ends = issuers.map(({ list }) => list?.nextUpdate ?? '').toSorted();
  const [nextUpdate = ''] = ends;
  output.result({ ...files, nextUpdate }, `${files.issuers}\n${files.lists}: until ${nextUpdate}`);
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
