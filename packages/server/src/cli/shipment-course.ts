import { PortcullisError, ShipmentCreated } from '@portcullis/contract';
import type { Command } from 'commander';
import { readAssignments, requireAssignments } from './assignments.ts';
import { addWaitOptions, each } from './change-options.ts';
import { type ChangeOptions, type FleetOptions, sendChange, withFleet } from './fleet-client.ts';
import type { Output } from './output.ts';

interface CreateOptions extends FleetOptions {
  journey?: string;
  attribute?: string[];
  tracker?: string;
  reason?: string;
}

export function addCourseCommands(shipment: Command, output: Output): void {
  shipment
    .command('create')
    .argument('<shipment>')
    .option('--journey <name>', 'the journey that it takes: a file in the folder "journeys"')
    .option('--attribute <K=V>', 'a first attribute, repeatable', each)
    .option('--tracker <device>', 'the device whose readings are about it: its attribute "shipment" names it')
    .option('--reason <text>', 'why, for the journal')
    .description('put a shipment on a journey, and print the public code of its label this once')
    .action((id: string, options: CreateOptions) => create(id, options, output));
  for (const [action, done, description] of [
    ['stop', 'stopped', 'stop a shipment: nothing is recorded of it until it goes on'],
    ['resume', 'goes on', 'let a shipment go on that was stopped'],
  ] as const) {
    addWaitOptions(shipment.command(action))
      .argument('<shipment>')
      .description(description)
      .action((id: string, options: ChangeOptions) => steer(id, { options, body: { action }, done }, output));
  }
  addWaitOptions(shipment.command('reroute'))
    .argument('<shipment>')
    .option('--journey <name>', 'another journey than its own')
    .description('put a shipment on the newest version of its journey, or of another, that allows what it took')
    .action((id: string, { journey, ...options }: ChangeOptions & { journey?: string }) => {
      const body = { action: 'reroute', ...(journey !== undefined && { journey }) };
      return steer(id, { options, body, done: 'is on the newest version' }, output);
    });
}

async function create(id: string, options: CreateOptions, output: Output): Promise<void> {
  const { journey, attribute = [], tracker, reason } = options;
  if (journey === undefined) throw new PortcullisError('usage', 'name the journey with --journey NAME');
  requireAssignments(attribute);
  await withFleet(options, async (client) => {
    const { values: attributes } = await readAssignments(attribute, client, output);
    const body = { shipment: id, journey, ...(attribute.length > 0 && { attributes }), tracker, reason };
    const made = await client.post('/v1/shipments', body, ShipmentCreated);
    output.result(made, made.code);
    if (!output.json)
      output.notice(`${id} is on "${journey}" (revision ${made.revision}); its code is printed this once`);
  });
}

interface Steered {
  options: ChangeOptions;
  body: Record<string, unknown>;
  done: string;
}

function steer(id: string, { options, body, done }: Steered, output: Output): Promise<void> {
  return sendChange(
    options,
    { path: `/v1/shipments/${encodeURIComponent(id)}/course`, body, done: `${id} ${done}` },
    output,
  );
}
