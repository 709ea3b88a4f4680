import {
  type ChangeAnswer,
  ChangeItem,
  ChangeView,
  FleetView,
  type LeftByUndo,
  PortcullisError,
  page,
  plainJson,
  SubjectDelta,
} from '@portcullis/contract';
import type { Command } from 'commander';
import type { z } from 'zod';
import { addWaitOptions } from './change-options.ts';
import {
  type ChangeOptions,
  type FleetClient,
  type FleetOptions,
  receiptWords,
  revisionOf,
  sendChange,
  withFleet,
} from './fleet-client.ts';
import type { Listing, Output } from './output.ts';

export function changeCommands(program: Command, output: Output): void {
  const change = program.command('change').description('what changed what gates decide, each change with its revision');
  change
    .command('list')
    .option('--last <number>', 'so many of the newest', '20')
    .option('--after <revision>', 'all after this revision')
    .description('list changes, oldest first')
    .action((options: ListOptions) => list(options, output));
  change
    .command('show')
    .argument('<revision>')
    .description('what a change did to each subject, by whom and why, and how far it is in force')
    .action((revision: string, options: FleetOptions) => show(revisionOf(revision), options, output));
  addWaitOptions(change.command('undo'))
    .argument('<revision>')
    .description('put back the values and standings from before a change, where nothing newer touched them')
    .action((given: string, options: ChangeOptions) => undo(revisionOf(given), options, output));
}

async function undo(revision: number, options: ChangeOptions, output: Output): Promise<void> {
  const done = ({ changed = 0, leaves = 0, left = [] }: ChangeAnswer) =>
    [
      changed === 0
        ? `nothing changed: nothing of revision ${revision} can be put back`
        : `revision ${revision} is undone`,
      ...left.slice(0, leftShownMax).map((one) => `  left: ${leftWords(one)}`),
      ...(leaves > leftShownMax ? [`  and ${leaves - leftShownMax} more`] : []),
    ].join('\n');
  await sendChange(options, { path: `/v1/changes/${revision}/undo`, body: {}, done }, output);
}

/** To a person; a program is told more of them. */
const leftShownMax = 10;

const leftWhy: Record<LeftByUndo['why'], string> = {
  changed_since: 'was changed since',
  retired: 'is of a retired subject',
  retyped: 'has another type now',
  final: 'is revoked or superseded, which is final',
  issued: 'was issued by it',
  held: 'something holds it',
  reserved: 'it is not set by hand',
};

const leftWords = ({ subject, attribute, fingerprint, why }: LeftByUndo) =>
  `${subject}: ${attribute ?? fingerprint} ${leftWhy[why]}`;

interface ListOptions extends FleetOptions {
  last: string;
  after?: string;
}

async function list({ last, after, ...options }: ListOptions, output: Output): Promise<void> {
  const count = Number(last);
  if (!Number.isSafeInteger(count) || count < 1)
    throw new PortcullisError('usage', `"${last}" is not a number of changes`);
  const given = after === undefined ? undefined : revisionOf(after);
  await withFleet(options, async (client) => {
    const from = given ?? Math.max(0, (await client.get('/v1/fleet', FleetView)).revision - count);
    await output.list(changesAfter(client, from), changeListing);
  });
}

async function* changesAfter(client: Pick<FleetClient, 'get'>, from: number): AsyncGenerator<ChangeItem> {
  const shape = page(ChangeItem);
  for (let after: string | null = String(from); after !== null; ) {
    const { items, next }: z.infer<typeof shape> = await client.get(`/v1/changes?after=${after}&limit=1000`, shape);
    yield* items;
    after = next;
  }
}

async function show(revision: number, options: FleetOptions, output: Output): Promise<void> {
  await withFleet(options, async (client) => {
    const change = await client.get(`/v1/changes/${revision}`, ChangeView);
    if ((change.changed ?? 0) > change.subjects.length) change.subjects = await subjectsOf(client, revision);
    const { at, actor, action, reason, undoes, subjects, receipt } = change;
    const what = undoes === undefined ? action : `${action} of revision ${undoes}`;
    const lines = [
      `revision ${revision}: ${what} by ${actor} at ${at}${reason === null ? '' : `, ${plainJson(reason)}`}`,
      ...subjects.map((delta) => `  ${delta.subject}: ${deltaWords(delta)}`),
      receiptWords(receipt),
    ];
    output.result(change, lines.join('\n'));
  });
}

/** Those in parts first, then those that are apart: what is apart counts where a subject is in both. */
async function subjectsOf(client: Pick<FleetClient, 'get'>, revision: number): Promise<SubjectDelta[]> {
  const shape = page(SubjectDelta);
  const found: SubjectDelta[] = [];
  for (let after: string | null = '0'; after !== null; ) {
    const { items, next }: z.infer<typeof shape> = await client.get(
      `/v1/changes/${revision}/subjects?after=${after}`,
      shape,
    );
    found.push(...items);
    after = next;
  }
  return found;
}

function deltaWords({ attributes = {}, certificates = [] }: SubjectDelta): string {
  const values = Object.entries(attributes).map(([name, { value, public: isPublic }]) => {
    const shown = value === null ? `${name} unset` : `${name}=${plainJson(value)}`;
    return isPublic ? `${shown} (public)` : shown;
  });
  const standings = certificates.map(({ fingerprint, standing }) => `${fingerprint} is ${standing}`);
  const said = [...values, ...standings];
  return said.length > 0 ? said.join(', ') : 'nothing that a gate decides by';
}

const changeListing: Listing<ChangeItem> = {
  columns: [
    { title: 'REVISION', priority: 1, align: 'right', value: ({ revision }) => revision },
    { title: 'AT', priority: 1, value: ({ at }) => at },
    { title: 'BY', priority: 2, least: 10, value: ({ actor }) => actor },
    { title: 'WHAT', priority: 1, value: ({ action }) => action },
    { title: 'SUBJECTS', priority: 2, least: 12, value: subjectsWords },
    { title: 'REASON', priority: 3, least: 10, value: ({ reason }) => reason },
  ],
  none: 'there is no such change',
};

function subjectsWords({ subjects, first }: ChangeItem): string {
  const more = subjects > first.length ? ` and ${subjects - first.length} more` : '';
  return `${first.join(' ')}${more}`;
}
