import { SubjectView } from '@portcullis/contract';
import type { Command } from 'commander';
import { addChangeOptions } from './change-options.ts';
import { type ChangeOptions, type FleetOptions, sendChange, withFleet } from './fleet-client.ts';
import { columns, type Output } from './output.ts';

export function subjectCommands(program: Command, output: Output): void {
  const subject = program.command('subject').description('what certificates are about');
  subject
    .command('list')
    .option('--kind <kind>', 'of this kind alone')
    .description('list subjects')
    .action(async (options: FleetOptions & { kind?: string }) => {
      const query = options.kind === undefined ? '' : `?kind=${encodeURIComponent(options.kind)}`;
      await withFleet(options, async (client) => {
        for await (const one of client.pages(`/v1/subjects${query}`, SubjectView)) output.line(one, wordsOf(one));
      });
    });
  subject
    .command('show')
    .argument('<subject>')
    .description('show a subject')
    .action(async (name: string, options: FleetOptions) => {
      await withFleet(options, async (client) => {
        const one = await client.get(`/v1/subjects/${encodeURIComponent(name)}`, SubjectView);
        output.result(one, wordsOf(one));
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

function wordsOf({ subject, kind, retired, attributes }: SubjectView): string {
  const values = attributes.map(({ name, value }) => `${name}=${JSON.stringify(value)}`).join(' ');
  return columns([subject, 24], [kind, 12], [retired ? 'retired' : '', retired ? 8 : 0], [values, 0]);
}
