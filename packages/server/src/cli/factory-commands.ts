import { FactoryRequest, FactoryView, PortcullisError, plainJson } from '@portcullis/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { readAssignments, requireAssignments } from './assignments.ts';
import { each } from './change-options.ts';
import { type FleetOptions, withFleet } from './fleet-client.ts';
import { namedFile } from './named-file.ts';
import type { Listing, Output } from './output.ts';

interface AddOptions extends FleetOptions {
  kind?: string;
  serialBecomes?: string;
  into?: string[];
  reason?: string;
}

export function factoryCommands(program: Command, output: Output): void {
  const factory = program
    .command('factory')
    .description('manufacturers whose certificates prove who asks for a first certificate by EST');
  factory
    .command('add')
    .argument('<name>', 'begins the ids of what it brings')
    .argument('<ca.pem>', 'the certificates of its authorities')
    .option('--kind <kind>', 'what it makes: device or gateway (device)')
    .option('--serial-becomes <what>', 'subject: the id is NAME-SERIAL; attribute: "serial" is an attribute (subject)')
    .option('--into <K=V>', 'what each has until it is approved, repeatable (status=pending)', each)
    .description('let what this manufacturer made enrol: each once, and it waits until "subject approve"')
    .action((name: string, file: string, options: AddOptions) => add(name, file, options, output));
  factory
    .command('list')
    .description('list factories, and how many each brought')
    .action((options: FleetOptions) =>
      withFleet(options, async (client) => {
        const { items } = await client.get('/v1/factories', z.object({ items: z.array(FactoryView) }));
        await output.list(items, factoryListing);
      }),
    );
  factory
    .command('remove')
    .argument('<name>')
    .option('--reason <text>', 'why, for the journal')
    .description('take no more certificates of it; what it brought stays')
    .action((name: string, { reason, ...options }: FleetOptions & { reason?: string }) =>
      withFleet(options, async (client) => {
        const path = `/v1/factories/${encodeURIComponent(name)}/removal`;
        const body = reason === undefined ? {} : { reason };
        const answer = await client.post(path, body, z.object({ removed: z.literal(true) }));
        output.result({ name, ...answer }, `removed ${name}`);
      }),
    );
}

async function add(name: string, file: string, options: AddOptions, output: Output): Promise<void> {
  const { kind, serialBecomes, into: words = [] } = options;
  requireAssignments(words);
  const authorities = namedFile(file).toString('utf8');
  await withFleet(options, async (client) => {
    const { values: into } = await readAssignments(words, client, output);
    const asked = { name, authorities, kind, serialBecomes, ...(words.length > 0 && { into }) };
    const parsed = FactoryRequest.safeParse(asked);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw new PortcullisError('usage', `${issue?.path.join('.')}: ${issue?.message}`);
    }
    const made = await client.post('/v1/factories', parsed.data, FactoryView);
    const has = Object.entries(made.into).map(([one, value]) => `${one}=${plainJson(value)}`);
    const id = made.serialBecomes === 'subject' ? `${name}-SERIAL` : `${name}-FINGERPRINT`;
    output.result(made, `${name}: what it makes enrols by EST as ${id}, with ${has.join(', ')} until it is approved`);
  });
}

const factoryListing: Listing<FactoryView> = {
  columns: [
    { title: 'FACTORY', priority: 1, value: ({ name }) => name },
    { title: 'KIND', priority: 3, value: ({ kind }) => kind },
    { title: 'ENROLLED', priority: 1, align: 'right', value: ({ enrolled }) => enrolled },
    { title: 'SERIAL BECOMES', priority: 3, value: ({ serialBecomes }) => serialBecomes },
    { title: 'AUTHORITIES', priority: 2, value: ({ authorities }) => authorities.map((one) => one.name).join(', ') },
    { title: 'ADDED', priority: 4, value: ({ addedAt }) => addedAt },
  ],
  none: 'there is no factory',
};
