import { join } from 'node:path';
import { ArrivalAnswer, PortcullisError } from '@portcullis/contract';
import { readCredential } from '@portcullis/device/client';
import type { Command } from 'commander';
import { realSystem } from '../telemetry/system.ts';
import { addWaitOptions } from './change-options.ts';
import { type ChangeOptions, FleetClient, type FleetOptions, sendChange, withFleet } from './fleet-client.ts';
import type { Output } from './output.ts';

interface Said {
  at?: string;
  place?: string;
  note?: string;
  arrival?: string;
}

interface RecordOptions extends Said {
  device?: string;
  step?: string;
}

export function arrivalCommands(program: Command, output: Output): void {
  const arrival = program.command('arrival').description('what checkpoints record of shipments');
  addSaid(arrival.command('record'))
    .argument('<shipment>')
    .option('--device <dir>', "the directory of the checkpoint's credential (./device)")
    .option('--step <name>', 'the step (the next one that this checkpoint may record)')
    .description('record an arrival as a checkpoint')
    .action((id: string, options: RecordOptions) => record(id, options, output));
  addSaid(arrival.command('declare'))
    .argument('<shipment>')
    .argument('<step>')
    .option('--replaces <arrival>', 'the arrival that this stands for, which counts no more')
    .option('--reason <text>', 'why, for the journal and the record')
    .description('declare as an operator that a step was taken, in the place of its checkpoint')
    .action((id: string, step: string, options: FleetOptions & Said & { replaces?: string; reason?: string }) =>
      declare(id, step, options, output),
    );
  addWaitOptions(arrival.command('void'))
    .argument('<shipment>')
    .argument('<arrival>')
    .description('take an arrival back, or one that waits: it stays on record, and counts no more')
    .action(async (id: string, given: string, options: ChangeOptions) => {
      requireReason(options.reason);
      const path = `/v1/shipments/${encodeURIComponent(id)}/voidings`;
      await sendChange(options, { path, body: { arrival: given }, done: `${given} of ${id} counts no more` }, output);
    });
}

function addSaid(command: Command): Command {
  return command
    .option('--at <time>', 'when it was, as 2026-11-27T21:00:00Z (now)')
    .option('--place <text>', 'where it was')
    .option('--note <text>', 'a remark')
    .option('--arrival <id>', 'an id of your own: the same again is recorded once (a new one)');
}

const said = ({
  at,
  place,
  note,
  arrival = realSystem.random(12).toString('base64url').replace(/^[-_]/, '0'),
}: Said) => ({
  ...{ arrival, at, place, note },
});

async function record(id: string, options: RecordOptions, output: Output): Promise<void> {
  const { device = './device', step } = options;
  const client = new FleetClient(readCredential(join(device, 'credential.json')));
  try {
    const path = `/v1/shipments/${encodeURIComponent(id)}/arrivals`;
    tell(await client.post(path, { ...said(options), step }, ArrivalAnswer), output);
  } finally {
    client.close();
  }
}

async function declare(
  id: string,
  step: string,
  options: FleetOptions & Said & { replaces?: string; reason?: string },
  output: Output,
): Promise<void> {
  const { replaces, reason } = options;
  requireReason(reason);
  await withFleet(options, async (client) => {
    const path = `/v1/shipments/${encodeURIComponent(id)}/declarations`;
    tell(await client.change(path, { ...said(options), step, replaces, reason }, ArrivalAnswer), output);
  });
}

function requireReason(reason: string | undefined): void {
  if (!reason) throw new PortcullisError('usage', 'a correction needs a reason; give it with --reason TEXT');
}

function tell(answer: ArrivalAnswer, output: Output): void {
  const { shipment, step, at, outcome, waitsFor, next, revision } = answer;
  const then = next.length > 0 ? `; next is ${next.join(' or ')}` : '';
  const words =
    outcome === 'pending'
      ? `${shipment} at ${step} waits for [${waitsFor.join(', ')}]: it is kept, and not recorded`
      : `${shipment} is at ${step} since ${at} (revision ${revision})${then}`;
  output.result(answer, words);
}
