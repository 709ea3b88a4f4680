import { readFile } from 'node:fs/promises';
import { AddedList, type IssuerList, PortcullisError, RevocationLists } from '@portcullis/contract';
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
    .command('add')
    .argument('<list>')
    .option('--reason <text>', 'why, for the journal')
    .description('take a later list of a root whose key is on another machine, in PEM or DER; verifiers get it then')
    .action((file: string, options: AddOptions) => add(file, options, output));
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

interface AddOptions extends FleetOptions {
  reason?: string;
}

async function add(file: string, { reason, ...options }: AddOptions, output: Output): Promise<void> {
  const list = (await derIn(file)).toString('base64');
  await withFleet(options, async (client) => {
    const body = { list, ...(reason !== undefined && { reason }) };
    const added = await client.post('/v1/revocation-lists', body, AddedList);
    output.result(added, `list ${added.number} of ${added.issuer}, until ${added.nextUpdate}`);
  });
}

/** As others write one too: in PEM or DER. */
async function derIn(file: string): Promise<Buffer> {
  const { fromPem, listBytesMax } = await import('../pki/pki.ts');
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    throw new PortcullisError('usage', `couldn't read "${file}": ${cause.code}`, { cause });
  });
  const found = bytes[0] === 0x30 ? [bytes] : fromPem('X509 CRL', bytes.toString('latin1'));
  const [der] = found;
  if (!der || found.length > 1) {
    throw new PortcullisError('file_unusable', `"${file}" must hold one list of revoked certificates, in PEM or DER`);
  }
  if (der.length <= listBytesMax) return der;
  const why = `"${file}" has a list of ${der.length} bytes, and at most ${listBytesMax} are allowed`;
  throw new PortcullisError('file_unusable', why);
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
