import { AttributeType, AttributeTypeView, PortcullisError } from '@portcullis/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { type FleetOptions, withFleet } from './fleet-client.ts';
import type { Listing, Output } from './output.ts';

const Retyped = z.object({ changed: z.int() });

const typeListing: Listing<AttributeTypeView> = {
  columns: [
    { title: 'NAME', priority: 1, value: ({ name }) => name },
    { title: 'TYPE', priority: 1, value: ({ type }) => type },
    { title: 'BY', priority: 2, value: ({ declared }) => (declared ? 'fleet.yaml' : 'use') },
    { title: 'SUBJECTS', priority: 2, align: 'right', value: ({ subjects }) => subjects },
  ],
  none: 'no attribute was ever set',
};

/** A name has one type in the whole fleet. */
export function attributeTypeCommands(attribute: Command, output: Output): void {
  attribute
    .command('types')
    .description('the type of each name, what gave it, and how many subjects have a value')
    .action((options: FleetOptions) =>
      withFleet(options, async (client) => {
        await output.list(client.pages('/v1/attribute-types', AttributeTypeView), typeListing);
      }),
    );
  attribute
    .command('retype')
    .argument('<name>')
    .argument('<type>', 'string, number or boolean')
    .option('--reason <text>', 'why, for the journal')
    .description('give a name another type, where no value stands in the way')
    .action((name: string, type: string, options: FleetOptions & { reason?: string }) =>
      retype(name, type, options, output),
    );
}

async function retype(
  name: string,
  type: string,
  options: FleetOptions & { reason?: string },
  output: Output,
): Promise<void> {
  const allowed = AttributeType.options;
  if (!AttributeType.safeParse(type).success) {
    throw new PortcullisError('usage', `type "${type}" is unknown; must be one of [${allowed.join(', ')}]`);
  }
  const { reason } = options;
  await withFleet(options, async (client) => {
    const body = { type, ...(reason !== undefined && { reason }) };
    const { changed } = await client.post(`/v1/attribute-types/${encodeURIComponent(name)}`, body, Retyped);
    const words =
      changed === 0 ? `nothing changed: "${name}" was a ${type} already` : `"${name}" is a ${type} from now on`;
    output.result({ name, type, changed }, words);
  });
}
