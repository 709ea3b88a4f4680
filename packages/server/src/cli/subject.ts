import { SubjectView } from '@portcullis/contract';
import type { Command } from 'commander';
import { addChangeOptions } from './change-options.ts';
import { type ChangeOptions, type FleetOptions, queryOf, sendChange, withFleet } from './fleet-client.ts';
import type { Listing, Output } from './output.ts';

interface ListOptions extends FleetOptions {
  kind?: string;
  attribute?: string;
  standing?: string;
}

export function subjectCommands(program: Command, output: Output): void {
  const subject = program.command('subject').description('what certificates are about');
  subject
    .command('list')
    .option('--kind <kind>', 'of this kind alone')
    .option('--attribute <K=V>', 'with this value of an attribute alone')
    .option('--standing <standing>', 'whose certificate is valid, suspended or revoked')
    .description('list subjects')
    .action(async ({ kind, attribute, standing, ...options }: ListOptions) => {
      await withFleet(options, async (client) => {
        await output.list(
          client.pages(`/v1/subjects${queryOf({ kind, attribute, standing })}`, SubjectView),
          subjectListing,
        );
      });
    });
  subject
    .command('show')
    .argument('<subject>')
    .description('show a subject')
    .action(async (name: string, options: FleetOptions) => {
      await withFleet(options, async (client) => {
        const one = await client.get(`/v1/subjects/${encodeURIComponent(name)}`, SubjectView);
        output.record(jsonOf(one), [
          ['subject', one.subject],
          ['kind', one.kind],
          ['retired', one.retired ? 'yes' : 'no'],
          ['made', one.createdAt],
          ['changed', `revision ${one.revision}`],
          ...one.attributes.map(({ name, value }) => [name, JSON.stringify(value)] as const),
        ]);
      });
    });
  addChangeOptions(subject.command('retire'))
    .argument('<subject>')
    .description('revoke everything it has, and close its record')
    .action(async (name: string, options: ChangeOptions) => {
      const path = `/v1/subjects/${encodeURIComponent(name)}/retire`;
      await sendChange(options, { path, body: {}, done: `retired ${name}` }, output);
    });
}

/** Attributes by their names: what a script asks for is `.attributes.status.value`. */
function jsonOf({ attributes, ...rest }: SubjectView): Record<string, unknown> {
  return { ...rest, attributes: Object.fromEntries(attributes.map(({ name, ...about }) => [name, about])) };
}

const subjectListing: Listing<SubjectView> = {
  columns: [
    { title: 'SUBJECT', priority: 1, value: ({ subject }) => subject },
    { title: 'KIND', priority: 2, value: ({ kind }) => kind },
    {
      title: 'RETIRED',
      priority: 3,
      value: ({ retired }) => (retired ? 'retired' : ''),
      colour: () => 'red',
    },
    {
      title: 'ATTRIBUTES',
      priority: 2,
      least: 20,
      value: ({ attributes }) => attributes.map(({ name, value }) => `${name}=${JSON.stringify(value)}`).join(' '),
    },
  ],
  json: jsonOf,
  none: 'there is no such subject',
};
