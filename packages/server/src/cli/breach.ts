import { BreachView, type ChangeAnswer, PortcullisError } from '@portcullis/contract';
import type { Command } from 'commander';
import { addWaitOptions } from './change-options.ts';
import { type ChangeOptions, type FleetOptions, queryOf, sendChange, withFleet } from './fleet-client.ts';
import type { Listing, Output } from './output.ts';
import { durationWords } from './rule.ts';

interface ListOptions extends FleetOptions {
  all?: boolean;
}

interface AcknowledgeOptions extends ChangeOptions {
  rule?: string;
}

export function breachCommands(program: Command, output: Output): void {
  const breach = program.command('breach').description('limits of rules that were passed, until a person decides');
  breach
    .command('list')
    .argument('[subject]')
    .option('--all', 'those too that somebody has acknowledged')
    .description('breaches that nobody has acknowledged')
    .action((subject: string | undefined, { all, ...options }: ListOptions) =>
      withFleet(options, async (client) => {
        const query = queryOf({ subject, all: all ? '1' : undefined });
        await output.list(client.pages(`/v1/breaches${query}`, BreachView), listing);
      }),
    );
  addWaitOptions(breach.command('acknowledge'))
    .argument('<subject>')
    .option('--rule <rule>', 'of this rule alone')
    .description('decide what is broken or not known: the record stays, and the attribute becomes what is true then')
    .action((subject: string, { rule, ...options }: AcknowledgeOptions) =>
      acknowledge(subject, { rule, options }, output),
    );
}

async function acknowledge(
  subject: string,
  { rule, options }: { rule: string | undefined; options: ChangeOptions },
  output: Output,
): Promise<void> {
  if (!options.reason) throw new PortcullisError('usage', 'say why with --reason TEXT: it stays on record');
  const done = ({ changed = 0 }: ChangeAnswer) =>
    changed === 0
      ? `"${subject}" is acknowledged; its attributes stay as they are`
      : `"${subject}" is acknowledged, and its attributes are what is true now`;
  await sendChange(options, { path: '/v1/breaches/acknowledge', body: { subject, rule }, done }, output);
}

const listing: Listing<BreachView> = {
  columns: [
    { title: 'BREACH', priority: 4, align: 'right', value: ({ id }) => id },
    { title: 'SUBJECT', priority: 1, value: ({ subject }) => subject },
    { title: 'RULE', priority: 1, value: ({ rule }) => rule },
    { title: 'AT', priority: 1, value: ({ at }) => at },
    {
      title: 'LONGER THAN',
      priority: 2,
      value: ({ kind, limitMs }) => `${durationWords(limitMs)}${kind === 'budget' ? ' together' : ''}`,
    },
    { title: 'FROM', priority: 3, value: ({ from }) => from },
    { title: 'TO', priority: 3, value: ({ to }) => to },
    { title: 'ACKNOWLEDGED', priority: 2, least: 10, value: ({ acknowledged }) => acknowledged?.reason },
  ],
  none: 'nobody has to acknowledge anything',
};
