import { CodeRotation } from '@portcullis/contract';
import type { Command } from 'commander';
import { type FleetOptions, withFleet } from './fleet-client.ts';
import type { Output } from './output.ts';
import { addCourseCommands } from './shipment-course.ts';
import { addShipmentViews } from './shipment-views.ts';

export function shipmentCommands(program: Command, output: Output): void {
  const shipment = program.command('shipment').description('what travels, and what anybody is told of it');
  addShipmentViews(shipment, output);
  addCourseCommands(shipment, output);
  addCodeCommands(shipment, output);
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
        output.result(told, told.code);
      });
    });
}
