import { HoldView, PortcullisError, plainJson, type SignalResult, SignalTrial, SourceView } from '@portcullis/contract';
import type { Command } from 'commander';
import { addWaitOptions } from './change-options.ts';
import { type ChangeOptions, type FleetOptions, queryOf, sendChange, withFleet } from './fleet-client.ts';
import { requireSubject } from './known-names.ts';
import type { Listing, Output } from './output.ts';
import { textOf } from './utf8-text.ts';

export function signalCommands(program: Command, output: Output): void {
  const signal = program.command('signal').description('what monitors say, and what is held by it');
  signal
    .command('list')
    .argument('[subject]')
    .option('--source <source>', 'of this source alone')
    .description('list holds: what is held, by which alert of which source, until when')
    .action((subject: string | undefined, options: FleetOptions & { source?: string }) =>
      list(subject, options, output),
    );
  signal
    .command('sources')
    .description('list the sources of signals, and what came from each')
    .action((options: FleetOptions) =>
      withFleet(options, async (client) => {
        await output.list(client.pages('/v1/signals', SourceView), sourceListing);
      }),
    );
  signal
    .command('test')
    .argument('<source>')
    .argument('<delivery>', 'a file with what the source would send, or -')
    .option('--header <NAME: VALUE>', 'a header of it (repeatable)', headerOf)
    .description('say what would follow from a delivery, and change nothing')
    .action((source: string, file: string, options: FleetOptions & { header?: Record<string, string> }) =>
      test(source, file, options, output),
    );
  addWaitOptions(signal.command('release'))
    .argument('<subject|hold>')
    .option('--attribute <name>', 'of a subject: the holds on this attribute alone')
    .description('end a hold, or those on a subject: what is underneath is in force again')
    .action((name: string, options: ChangeOptions & { attribute?: string }) => {
      const body = { ...named(name), attribute: options.attribute, reason: requireReason(options) };
      const done = `released ${name}`;
      return sendChange(options, { path: '/v1/holds/release', body, done }, output);
    });
  addWaitOptions(signal.command('apply'))
    .argument('[subject|hold]')
    .option('--source <source>', 'all that wait of this source')
    .description('bring holds into force that wait, for their source is over its limit')
    .action((name: string | undefined, options: ChangeOptions & { source?: string }) => {
      const { source } = options;
      if ((name === undefined) === (source === undefined)) {
        throw new PortcullisError('usage', 'name a subject or a hold, or give --source; do one of them');
      }
      const body = { ...(name === undefined ? { source } : named(name)), reason: requireReason(options) };
      return sendChange(options, { path: '/v1/holds/apply', body, done: `applied ${name ?? source}` }, output);
    });
}

const named = (name: string) => (/^hold-[0-9a-f]{16}$/.test(name) ? { hold: name } : { subject: name });

/** Whoever lets go of what a monitor holds says why. */
function requireReason({ reason }: ChangeOptions): string {
  if (reason) return reason;
  throw new PortcullisError('usage', 'say why with --reason');
}

function headerOf(text: string, before: Record<string, string> = {}): Record<string, string> {
  const [, name, value] = /^([^\s:]+):\s*(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined)
    throw new PortcullisError('usage', `"${text}" is not a header; it must be "NAME: VALUE"`);
  return { ...before, [name.toLowerCase()]: value };
}

async function list(
  subject: string | undefined,
  { source, ...options }: FleetOptions & { source?: string },
  output: Output,
): Promise<void> {
  await withFleet(options, async (client) => {
    const count = await output.list(client.pages(`/v1/holds${queryOf({ subject, source })}`, HoldView), holdListing);
    if (count === 0 && subject !== undefined) await requireSubject(client, subject);
  });
}

async function test(
  source: string,
  file: string,
  { header, ...options }: FleetOptions & { header?: Record<string, string> },
  output: Output,
): Promise<void> {
  const { buffer } = await import('node:stream/consumers');
  const { readFileSync } = await import('node:fs');
  const body = textOf(file === '-' ? await buffer(process.stdin) : read(() => readFileSync(file), file));
  await withFleet(options, async (client) => {
    const asked = { body, ...(header && { headers: header }) };
    const told = await client.post(`/v1/signals/${encodeURIComponent(source)}/trial`, asked, SignalTrial);
    for (const warning of told.warnings) output.notice(`warning: ${warning}`);
    await output.list(told.results, trialListing);
  });
}

function read(from: () => Buffer, file: string): Buffer {
  try {
    return from();
  } catch (cause) {
    throw new PortcullisError('file_unusable', `couldn't read "${file}": ${(cause as Error).message}`, { cause });
  }
}

const whatOf = ({ attribute, value }: Pick<HoldView, 'attribute' | 'value'>) =>
  attribute === null ? 'suspended' : `${attribute}=${plainJson(value)}`;

const holdListing: Listing<HoldView> = {
  columns: [
    { title: 'SUBJECT', priority: 1, value: ({ subject }) => subject },
    { title: 'HELD', priority: 1, value: whatOf },
    {
      title: 'STATE',
      priority: 1,
      value: ({ state }) => state,
      colour: ({ state }) => (state === 'in_force' ? 'red' : undefined),
    },
    { title: 'SOURCE', priority: 2, value: ({ source }) => source },
    { title: 'ALERT', priority: 2, value: ({ alert }) => alert.state },
    { title: 'SINCE', priority: 3, value: ({ since }) => since },
    { title: 'UNTIL', priority: 2, value: ({ until }) => until },
    { title: 'KEY', priority: 4, least: 8, value: ({ key }) => key },
    { title: 'REASON', priority: 3, least: 12, value: ({ reason }) => reason },
    { title: 'LACKS', priority: 4, least: 12, value: ({ lacks }) => lacks },
    { title: 'HOLD', priority: 2, value: ({ hold }) => hold },
  ],
  none: 'nothing is held',
};

const sourceListing: Listing<SourceView> = {
  columns: [
    { title: 'SOURCE', priority: 1, value: ({ source }) => source },
    { title: 'FORMAT', priority: 2, value: ({ format }) => format },
    { title: 'BY', priority: 3, value: ({ actor }) => actor },
    { title: 'HOLDS', priority: 1, align: 'right', value: ({ holds }) => holds },
    { title: 'WAITING', priority: 1, align: 'right', value: ({ waiting }) => waiting },
    { title: 'HEARD', priority: 1, value: ({ heardAt }) => heardAt },
    {
      title: 'ALERTS',
      priority: 2,
      least: 16,
      value: ({ outcomes }) =>
        Object.entries(outcomes)
          .map(([outcome, count]) => `${outcome} ${count}`)
          .join(', '),
    },
    { title: 'UNMATCHED', priority: 4, least: 8, value: ({ unmatched }) => unmatched?.key },
  ],
  none: 'fleet.yaml has no "signals"',
};

type Tried = SignalResult & SignalTrial['results'][number];

const trialListing: Listing<Tried> = {
  columns: [
    { title: 'KEY', priority: 1, least: 8, value: ({ key }) => key },
    { title: 'OUTCOME', priority: 1, value: ({ outcome }) => outcome },
    {
      title: 'WOULD HOLD',
      priority: 1,
      least: 16,
      value: ({ would }) => would.map((one) => `${one.subject} ${whatOf(one)} until ${one.until}`).join(', '),
    },
    { title: 'WHY', priority: 2, least: 16, value: ({ reason }) => reason },
  ],
  none: 'the delivery has no alert',
};
