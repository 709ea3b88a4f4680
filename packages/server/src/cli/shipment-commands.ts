import { CodeRotation, DeskView } from '@portcullis/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { type FleetClient, type FleetOptions, withFleet } from './fleet-client.ts';
import type { Output } from './output.ts';
import { addCourseCommands } from './shipment-course.ts';
import { addExportCommand } from './shipment-export.ts';
import { addLabelCommand } from './shipment-label.ts';
import { addPlotCommand } from './shipment-plot.ts';
import { addShipmentViews } from './shipment-views.ts';

export function shipmentCommands(program: Command, output: Output): void {
  const shipment = program.command('shipment').description('what travels, and what anybody is told of it');
  addShipmentViews(shipment, output);
  addCourseCommands(shipment, output);
  addCodeCommands(shipment, output);
  addLabelCommand(shipment, output);
  addExportCommand(shipment, output);
  addPlotCommand(shipment, output);
}

function addCodeCommands(shipment: Command, output: Output): void {
  shipment
    .command('code')
    .description('the public code of a shipment')
    .command('rotate')
    .argument('<shipment>')
    .option('--reason <text>', 'why, for the journal')
    .description('make another code, and print it this once; the one before leads nowhere any more')
    .action(async (id: string, { reason, ...options }: FleetOptions & { reason?: string }) => {
      await withFleet(options, async (client) => {
        const path = `/v1/shipments/${encodeURIComponent(id)}/code`;
        const told = await client.post(path, { ...(reason !== undefined && { reason }) }, CodeRotation);
        const url = await addressOf(client, told.code);
        if (url === undefined)
          output.notice('no desk says where phones reach it ("public" of desk.yaml): it has no address yet');
        output.result(
          { ...told, ...(url !== undefined && { url }) },
          url === undefined ? told.code : `${told.code}\n${url}`,
        );
      });
    });
}

/** Where phones are led by it, as the desks say it themselves. */
async function addressOf(client: FleetClient, code: string): Promise<string | undefined> {
  const { items } = await client.get('/v1/desks', z.object({ items: z.array(DeskView) }));
  const [origin] = items.flatMap(({ report }) => report?.publicUrl ?? []);
  return origin === undefined ? undefined : new URL(`/v/${code}`, origin).href;
}
