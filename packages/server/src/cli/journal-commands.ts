import { JournalEntryView, plainJson } from '@portcullis/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { each } from './change-options.ts';
import { directoryOf, type FleetClient, type FleetOptions, withFleet } from './fleet-client.ts';
import type { VerifyOptions } from './journal-verify.ts';
import type { Listing, Output } from './output.ts';

const Page = z.object({ items: z.array(JournalEntryView), next: z.string().nullable() });

export function journalCommands(program: Command, output: Output): void {
  const journal = program.command('journal').description('everything that happened');
  journal
    .command('show')
    .option('--after <position>', 'after this entry', '0')
    .description('entries in order')
    .action(async (options: FleetOptions & { after: string }) => {
      await withFleet(options, async (client) => {
        await output.list(entriesAfter(options.after, client), entryListing);
      });
    });
  journal
    .command('verify')
    .argument('[dir]')
    .description(
      'find any edit or cut, up to the last head that is held outside the database, and any damage of the file',
    )
    .option(
      '--head <FILE|REVISION:HASH>',
      "a head that somebody else holds: a gate's heads.ndjson, a copy of journal.head, or what was noted (repeatable)",
      each,
    )
    .option('--no-gates', 'ask no gate for the heads that it holds')
    .action(async (dir: string | undefined, options: VerifyOptions) => {
      const { verify } = await import('./journal-verify.ts');
      await verify(directoryOf(options, dir), options, output);
    });
}

async function* entriesAfter(first: string, client: FleetClient): AsyncGenerator<JournalEntryView> {
  for (let after: string | null = first; after !== null; ) {
    const query = new URLSearchParams({ after, limit: '1000' });
    const { items, next }: z.infer<typeof Page> = await client.get(`/v1/journal?${query}`, Page);
    yield* items;
    after = next;
  }
}

const entryListing: Listing<JournalEntryView> = {
  columns: [
    { title: 'ENTRY', priority: 1, align: 'right', value: ({ position }) => position },
    { title: 'REVISION', priority: 3, align: 'right', value: ({ revision }) => revision },
    { title: 'AT', priority: 1, value: ({ at }) => at },
    { title: 'BY', priority: 2, least: 10, value: ({ actor }) => actor },
    { title: 'WHAT', priority: 1, value: ({ action }) => action },
    { title: 'ABOUT', priority: 1, least: 12, value: aboutOf },
  ],
};

function aboutOf({ body }: JournalEntryView): string {
  const { reason, subjects } = body as { reason?: string | null; subjects?: { subject: string }[] };
  const names = (subjects ?? []).slice(0, 5).map(({ subject }) => subject);
  const more = subjects && subjects.length > 5 ? [`and ${subjects.length - 5} more`] : [];
  return [...names, ...more, ...(reason ? [plainJson(reason)] : [])].join(' ');
}
