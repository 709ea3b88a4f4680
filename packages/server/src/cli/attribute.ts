import {
  AttributeHistoryView,
  type AttributeValue,
  type AttributeView,
  PortcullisError,
  plainJson,
  SubjectView,
  subjectsPerChangeMax,
  type Trial,
} from '@portcullis/contract';
import type { Command } from 'commander';
import { readAssignments, requireAssignments } from './assignments.ts';
import { attributeTypeCommands } from './attribute-types.ts';
import { addManyOptions } from './change-options.ts';
import { type FleetClient, type FleetOptions, heldWords, withFleet } from './fleet-client.ts';
import type { Listing, Output } from './output.ts';
import { subjectsOf } from './subjects-of.ts';
import { type ManyOptions, sendToMany } from './to-many.ts';

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
  addManyOptions(attribute.command('set'))
    .argument('<subjects|K=V...>', 'subjects (ids, @FILE or - with one a line), then K=V, or K:=JSON to force a type')
    .option('--public', 'anybody may see it')
    .option('--private', 'only operators may see it')
    .option('--release', 'end the holds on these attributes with it')
    .description('set attributes of one subject or many: one revision')
    .action(async (words: string[], options: SetOptions) => {
      const { subjects, assignments } = await subjectsBefore(words, options);
      requireAssignments(assignments);
      const visibility = options.public ? { visibility: 'public' } : options.private ? { visibility: 'private' } : {};
      const body = async (client: FleetClient) => {
        const { values: set, takenAsString } = await readAssignments(assignments, client, output);
        return {
          body: { set, ...visibility, ...(options.release && { release: true }) },
          told: takenAsString.length > 0 ? { takenAsString } : {},
        };
      };
      const done = (who: string) => `${who}: ${assignments.join(' ')}`;
      await sendToMany(options, { ...ofAttributes, subjects, body, done }, output);
    });
  addManyOptions(attribute.command('unset'))
    .argument(
      '<subjects|names...>',
      'a subject, or @FILE or - with one a line, then the names; names alone with --where',
    )
    .description('remove attributes of one subject or many: one revision')
    .action(async (words: string[], options: ManyOptions) => {
      const [given, ...others] = words;
      const named = options.where === undefined && given !== undefined;
      const unset = named ? others : words;
      if (unset.length === 0) throw new PortcullisError('usage', 'there is no name of an attribute; give at least one');
      const subjects = named ? await subjectsOf([given]) : undefined;
      const done = (who: string) => `${who}: unset ${unset.join(' ')}`;
      await sendToMany(options, { ...ofAttributes, subjects, body: { unset }, done }, output);
    });
  attributeTypeCommands(attribute, output);
  attribute
    .command('history')
    .argument('<subject>')
    .argument('[name]')
    .description('every change, oldest first')
    .action((subject: string, name: string | undefined, options: FleetOptions) =>
      showHistory(subject, name, options, output),
    );
}

interface SetOptions extends ManyOptions {
  public?: boolean;
  private?: boolean;
  release?: boolean;
}

const ofAttributes = {
  path: '/v1/attributes',
  counts: 'subject' as const,
  perRequest: subjectsPerChangeMax,
  trialOf({ set = {}, unset = [] }: { set?: Record<string, AttributeValue>; unset?: string[] }): Trial {
    return { values: { ...set, ...Object.fromEntries(unset.map((name) => [name, null])) } as never };
  },
};

/** Words before the first K=V are subjects: no id has a "=". */
async function subjectsBefore(
  words: string[],
  { where }: ManyOptions,
): Promise<{ subjects: string[] | undefined; assignments: string[] }> {
  if (where !== undefined && words[0]?.includes('=')) return { subjects: undefined, assignments: words };
  const first = words.findIndex((word) => word.includes('='));
  if (first < 1) {
    const missing = first === 0 ? 'subject: name at least one before' : 'assignment: give at least one';
    throw new PortcullisError('usage', `there is no ${missing} K=V`);
  }
  return { subjects: await subjectsOf(words.slice(0, first)), assignments: words.slice(first) };
}

async function showAttributes(
  subject: string,
  name: string | undefined,
  options: FleetOptions,
  output: Output,
): Promise<void> {
  await withFleet(options, async (client) => {
    const { attributes, heldBy = [] } = await client.get(`/v1/subjects/${encodeURIComponent(subject)}`, SubjectView);
    const holds = heldBy.filter((hold) => name === undefined || hold.attribute === name);
    const shown = attributes.filter((attribute) => name === undefined || attribute.name === name);
    if (name !== undefined && shown.length === 0) {
      throw new PortcullisError('attribute_unknown', `"${subject}" has no attribute "${name}"`);
    }
    const json = (one: AttributeView) => {
      const by = holds.filter(({ attribute }) => attribute === one.name);
      return by.length > 0 ? { ...one, heldBy: by } : one;
    };
    await output.list(shown, { ...attributeListing, json, none: `"${subject}" has no attributes` });
    if (!output.json) for (const hold of holds) output.notice(heldWords(hold));
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
    const path = `/v1/subjects/${encodeURIComponent(subject)}/history${query}`;
    const none = `nothing was ever set on "${subject}"`;
    await output.list(client.pages(path, AttributeHistoryView), { ...historyListing, none });
  });
}

const attributeListing: Listing<AttributeView> = {
  columns: [
    { title: 'NAME', priority: 1, value: ({ name }) => name },
    { title: 'VALUE', priority: 1, least: 16, value: ({ value }) => plainJson(value) },
    { title: 'SEEN BY', priority: 3, value: ({ visibility }) => (visibility === 'public' ? 'anybody' : 'operators') },
    { title: 'REVISION', priority: 4, align: 'right', value: ({ revision }) => revision },
    { title: 'CHANGED', priority: 2, value: ({ changedAt }) => changedAt },
    { title: 'BY', priority: 3, least: 8, value: ({ changedBy }) => changedBy },
    { title: 'REASON', priority: 5, least: 12, value: ({ reason }) => reason },
  ],
};

const historyListing: Listing<AttributeHistoryView> = {
  columns: [
    { title: 'CHANGED', priority: 1, value: ({ changedAt }) => changedAt },
    { title: 'NAME', priority: 1, value: ({ name }) => name },
    {
      title: 'VALUE',
      priority: 1,
      least: 12,
      value: ({ value }) => (value === null ? 'unset' : plainJson(value)),
    },
    { title: 'REVISION', priority: 4, align: 'right', value: ({ revision }) => revision },
    { title: 'BY', priority: 2, least: 8, value: ({ changedBy }) => changedBy },
    { title: 'REASON', priority: 3, least: 10, value: ({ reason }) => reason },
  ],
};
