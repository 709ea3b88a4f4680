import { join } from 'node:path';
import { JournalEntryView, PortcullisError } from '@portcullis/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { directoryOf, type FleetOptions, withFleet } from './fleet-client.ts';
import { columns, type Output } from './output.ts';

const Page = z.object({ items: z.array(JournalEntryView), next: z.string().nullable() });

export function journalCommands(program: Command, output: Output): void {
  const journal = program.command('journal').description('everything that happened');
  journal
    .command('show')
    .option('--after <position>', 'after this entry', '0')
    .description('entries in order')
    .action(async (options: FleetOptions & { after: string }) => {
      await withFleet(options, async (client) => {
        for (let after: string | null = options.after; after !== null; ) {
          const { items, next }: z.infer<typeof Page> = await client.get(`/v1/journal?after=${after}&limit=1000`, Page);
          for (const one of items) output.line(one, wordsOf(one));
          after = next;
        }
      });
    });
  journal
    .command('verify')
    .argument('[dir]')
    .description('find any edit or cut, up to the last head that is held outside the database')
    .action((dir: string | undefined, options: FleetOptions) => verify(directoryOf(options, dir), output));
}

/** Reads the store itself, also while an authority runs: what is verified is what is on disk. */
async function verify(directory: string, output: Output): Promise<void> {
  const { readHeadFile, verifyJournal } = await import('../journal/journal.ts');
  const { readSqliteStore } = await import('../storage/storage.ts');
  const home = join(directory, 'authority');
  const head = readHeadFile(join(home, 'journal.head'));
  const { entries, broken } = await verifyJournal(readSqliteStore(home), head ? [head] : []);
  if (broken)
    throw new PortcullisError('journal_damaged', `entry ${broken.position}: ${broken.why}`, { detail: { ...broken } });
  const held = head ? 'and the head outside the database agrees' : 'no head is held outside the database';
  output.result({ valid: true, entries }, `${entries} entries, whole; ${held}`);
}

function wordsOf({ position, revision, at, actor, action, body }: z.infer<typeof JournalEntryView>): string {
  const { reason, subjects } = body as { reason?: string | null; subjects?: { subject: string }[] };
  const names = (subjects ?? []).slice(0, 5).map(({ subject }) => subject);
  const about = [
    ...names,
    ...(subjects && subjects.length > 5 ? [`and ${subjects.length - 5} more`] : []),
    ...(reason ? [`"${reason}"`] : []),
  ];
  return columns(
    [position, 6],
    [revision === null ? '' : `r${revision}`, 7],
    [at, 24],
    [actor, 18],
    [action, 24],
    [about.join(' '), 0],
  );
}
