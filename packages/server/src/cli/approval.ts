import { PendingView, PortcullisError, readFingerprint, subjectsPerApprovalMax } from '@portcullis/contract';
import type { Command } from 'commander';
import { addManyOptions } from './change-options.ts';
import { type FleetOptions, withFleet } from './fleet-client.ts';
import type { Listing, Output } from './output.ts';
import { subjectsOf } from './subjects-of.ts';
import { type ManyOptions, sendToMany } from './to-many.ts';

/** What waits for an operator, and that it waits no more: verbs of `subject`. */
export function approvalCommands(subject: Command, output: Output): void {
  subject
    .command('pending')
    .description(
      'list what waits to be approved: what factories brought, and renewals for keys that nobody vouches for',
    )
    .action((options: FleetOptions) =>
      withFleet(options, async (client) => {
        await output.list(client.pages('/v1/pending', PendingView), pendingListing);
      }),
    );
  addManyOptions(subject.command('approve'))
    .argument('[subjects...]', 'ids, @FILE or - with one a line')
    .option('--key <sha256>', 'of one subject: what waits for this key, a renewal too ("subject pending" shows it)')
    .description('approve what factories brought of one subject or many: status becomes active; one revision')
    .action(async (words: string[], { key: asked, ...options }: ManyOptions & { key?: string }) => {
      const subjects = words.length > 0 ? await subjectsOf(words) : undefined;
      const key = asked === undefined ? undefined : keyOf(asked, subjects);
      const body = key === undefined ? {} : { key };
      await sendToMany(options, { ...ofApprovals, subjects, body, done: (who) => `approved ${who}` }, output);
    });
}

/** A key is compared by somebody, one at a time. @throws {PortcullisError} `usage` */
function keyOf(text: string, subjects: readonly string[] | undefined): string {
  if (subjects?.length !== 1) throw new PortcullisError('usage', '--key is for one subject: name exactly one');
  const key = readFingerprint(text);
  if (key) return key;
  throw new PortcullisError('usage', `"${text}" is no SHA-256: --key takes 64 hex digits, as "subject pending" shows`);
}

const ofApprovals = {
  path: '/v1/approvals',
  counts: 'subject' as const,
  perRequest: subjectsPerApprovalMax,
  // Nobody who is connected is let out by it.
  trialOf: () => undefined,
};

const pendingListing: Listing<PendingView> = {
  columns: [
    { title: 'SUBJECT', priority: 1, value: ({ subject }) => subject },
    { title: 'WHAT', priority: 1, value: ({ what }) => what },
    { title: 'FACTORY', priority: 2, value: ({ factory }) => factory ?? '' },
    { title: 'SINCE', priority: 2, value: ({ since }) => since },
    { title: 'KEY (SHA-256)', priority: 1, value: ({ key }) => key },
  ],
  none: 'nothing waits to be approved',
};
