import { AttributeHistoryView, PortcullisError, parseAssignment, SubjectView } from '@portcullis/contract';
import type { Command } from 'commander';
import { addChangeOptions } from './change-options.ts';
import { type ChangeOptions, type FleetOptions, sendChange, withFleet } from './fleet-client.ts';
import { columns, type Output } from './output.ts';

export function attributeCommands(program: Command, output: Output): void {
  const attribute = program
    .command('attribute')
    .description('what is on record about a subject, beside its certificate');
  attribute
    .command('get')
    .argument('<subject>')
    .argument('[name]')
    .description('show attributes')
    .action((subject: string, name: string | undefined, options: FleetOptions) =>
      showAttributes(subject, name, options, output),
    );
  addChangeOptions(attribute.command('set'))
    .argument('<subject>')
    .argument('<assignments...>', 'K=V, or K:=JSON to force a type')
    .option('--public', 'anybody may see it')
    .option('--private', 'only operators may see it')
    .description('set attributes: one revision')
    .action(
      async (subject: string, words: string[], options: ChangeOptions & { public?: boolean; private?: boolean }) => {
        const visibility = options.public ? { visibility: 'public' } : options.private ? { visibility: 'private' } : {};
        const body = { subjects: [subject], set: assignmentsOf(words), ...visibility };
        await sendChange(options, { path: '/v1/attributes', body, done: `${subject}: ${words.join(' ')}` }, output);
      },
    );
  addChangeOptions(attribute.command('unset'))
    .argument('<subject>')
    .argument('<names...>')
    .description('remove attributes: one revision')
    .action(async (subject: string, names: string[], options: ChangeOptions) => {
      const body = { subjects: [subject], unset: names };
      await sendChange(options, { path: '/v1/attributes', body, done: `${subject}: unset ${names.join(' ')}` }, output);
    });
  attribute
    .command('history')
    .argument('<subject>')
    .argument('[name]')
    .description('every change, oldest first')
    .action((subject: string, name: string | undefined, options: FleetOptions) =>
      showHistory(subject, name, options, output),
    );
}

export function assignmentsOf(words: string[]): Record<string, unknown> {
  return Object.fromEntries(words.map((word) => parseAssignment(word)).map(({ name, value }) => [name, value]));
}

async function showAttributes(
  subject: string,
  name: string | undefined,
  options: FleetOptions,
  output: Output,
): Promise<void> {
  await withFleet(options, async (client) => {
    const { attributes } = await client.get(`/v1/subjects/${encodeURIComponent(subject)}`, SubjectView);
    const shown = attributes.filter((attribute) => name === undefined || attribute.name === name);
    if (name !== undefined && shown.length === 0) {
      throw new PortcullisError('attribute_unknown', `"${subject}" has no attribute "${name}"`);
    }
    for (const one of shown) {
      const origin = `${one.visibility}, revision ${one.revision}, ${one.changedAt} by ${one.changedBy}`;
      output.line(one, columns([one.name, 24], [JSON.stringify(one.value), 24], [origin, 0]));
    }
  });
}

async function showHistory(
  subject: string,
  name: string | undefined,
  options: FleetOptions,
  output: Output,
): Promise<void> {
  const query = name === undefined ? '' : `?name=${encodeURIComponent(name)}`;
  await withFleet(options, async (client) => {
    for await (const one of client.pages(
      `/v1/subjects/${encodeURIComponent(subject)}/history${query}`,
      AttributeHistoryView,
    )) {
      const value = one.value === null ? 'unset' : JSON.stringify(one.value);
      const origin = `revision ${one.revision} by ${one.changedBy}${one.reason === null ? '' : `: ${one.reason}`}`;
      output.line(one, columns([one.changedAt, 24], [one.name, 20], [value, 20], [origin, 0]));
    }
  });
}
