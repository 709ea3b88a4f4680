import {
  type AlertKind,
  AlertView,
  counted,
  PortcullisError,
  plainJson,
  type TellingState,
} from '@portcullis/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { type FleetOptions, queryOf, withFleet } from './fleet-client.ts';
import type { Listing, Output } from './output.ts';

interface ListOptions extends FleetOptions {
  kind?: AlertKind;
  subject?: string;
  open?: boolean;
  telling?: TellingState;
}

interface RetryOptions extends FleetOptions {
  target?: string;
  all?: boolean;
  reason?: string;
}

const Tested = z.object({ alert: z.string() });
const Retried = z.object({ retried: z.int() });

export function alertCommands(program: Command, output: Output): void {
  const alert = program.command('alert').description('what the outside is told of');
  alert
    .command('list')
    .option('--kind <kind>', 'breach, silence, out_of_sequence, lease_lost …')
    .option('--subject <subject>', 'about this subject')
    .option('--open', 'what is not over')
    .option('--telling <state>', 'of which a target is waiting, told, dead or withdrawn')
    .description('alerts, the newest first, and how far each target is with them')
    .action((options: ListOptions) => listAlerts(options, output));
  alert
    .command('retry')
    .argument('[alert...]', 'as "alert list" shows them')
    .option('--target <target>', 'what this target has not been told, and nothing else')
    .option('--all', 'what no target could be told')
    .option('--reason <text>', 'why, for the journal')
    .description('try at once what waits to be told, and anew what is dead')
    .action((alerts: string[], options: RetryOptions) => retry(alerts, options, output));
  alert
    .command('test')
    .option('--reason <text>', 'why, for the journal and for who is told')
    .description('raise an alert that says nothing, to see whether it arrives')
    .action((options: FleetOptions & { reason?: string }) => testAlert(options, output));
}

async function listAlerts({ kind, subject, open, telling, ...options }: ListOptions, output: Output): Promise<void> {
  const query = queryOf({ kind, subject, open: open ? '1' : undefined, telling });
  await withFleet(options, async (client) => {
    await output.list(client.pages(`/v1/alerts${query}`, AlertView), listing);
  });
}

async function testAlert({ reason, ...options }: FleetOptions & { reason?: string }, output: Output): Promise<void> {
  await withFleet(options, async (client) => {
    const answer = await client.post('/v1/alerts/test', reason === undefined ? {} : { reason }, Tested);
    output.result(answer, `raised ${answer.alert}: "portcullis alert list --kind test" tells who was told`);
  });
}

async function retry(alerts: string[], { target, all, reason, ...options }: RetryOptions, output: Output) {
  if (alerts.length === 0 && target === undefined && !all)
    throw new PortcullisError('usage', 'name alerts, a target with --target, or say --all');
  const body = {
    ...(alerts.length > 0 && { alerts }),
    ...(target !== undefined && { target }),
    ...(reason !== undefined && { reason }),
  };
  await withFleet(options, async (client) => {
    const answer = await client.post('/v1/alerts/retry', body, Retried);
    const { retried } = answer;
    output.result(answer, retried === 0 ? 'nothing waits to be told' : `${counted(retried, 'message')} due now`);
  });
}

const listing: Listing<AlertView> = {
  columns: [
    { title: 'ALERT', priority: 2, value: ({ id }) => id },
    { title: 'AT', priority: 1, value: ({ at }) => at },
    {
      title: 'KIND',
      priority: 1,
      value: ({ kind }) => kind,
      colour: ({ severity, settledAt }) => (severity === 'critical' && settledAt === null ? 'red' : undefined),
    },
    { title: 'SUBJECT', priority: 2, value: ({ subject }) => subject },
    { title: 'OVER', priority: 3, value: ({ settledAt }) => settledAt },
    {
      title: 'TOLD',
      priority: 1,
      value: ({ tellings }) => tellings.map(({ target, state }) => `${target}:${state}`).join(' '),
      colour: ({ tellings }) => (tellings.some(({ state }) => state === 'dead') ? 'red' : undefined),
    },
    { title: 'SAYS', priority: 1, least: 20, value: ({ says }) => plainJson(says).slice(1, -1) },
  ],
  none: 'there is no such alert',
};
