import { plainJson, SubjectView } from '@portcullis/contract';
import type { Command } from 'commander';
import { approvalCommands } from './approval.ts';
import { addChangeOptions } from './change-options.ts';
import { type ChangeOptions, type FleetOptions, heldWords, queryOf, sendChange, withFleet } from './fleet-client.ts';
import { requireAttribute } from './known-names.ts';
import { LastSeen } from './last-seen.ts';
import type { Output } from './output.ts';
import { orderBy, sorted, sorts, subjectJson, subjectListing } from './subject-listing.ts';

interface ListOptions extends FleetOptions {
  kind?: string;
  attribute?: string;
  standing?: string;
  sort?: string;
}

export function subjectCommands(program: Command, output: Output): void {
  const subject = program.command('subject').description('what certificates are about');
  subject
    .command('list')
    .option('--kind <kind>', 'of this kind alone')
    .option('--attribute <K=V>', 'with this value of an attribute alone')
    .option('--standing <standing>', 'whose certificate is valid, suspended or revoked')
    .option(
      '--sort <column>',
      `by ${sorts.join(', ')} (subject); the least first, and before all whoever has nothing there`,
    )
    .description('list subjects: what each is, when a gate heard it last, until when it has a certificate')
    .action((options: ListOptions) => list(options, output));
  subject
    .command('show')
    .argument('<subject>')
    .description('show a subject')
    .action(async (name: string, options: FleetOptions) => {
      await withFleet(options, async (client) => {
        const one = await client.get(`/v1/subjects/${encodeURIComponent(name)}`, SubjectView);
        output.record(subjectJson(one), [
          ['subject', one.subject],
          ['kind', one.readOnly ? `${one.kind} (read-only)` : one.kind],
          ['certificate', one.certificate && `${one.certificate.standing} until ${one.certificate.notAfter}`],
          ['retired', one.retired ? 'yes' : 'no'],
          ['made', one.createdAt],
          ['changed', `revision ${one.revision}`],
          ...one.attributes.map(({ name, value }) => [name, plainJson(value)] as const),
          ...(one.heldBy ?? []).map((hold) => ['held', heldWords(hold)] as const),
        ]);
      });
    });
  approvalCommands(subject, output);
  addChangeOptions(subject.command('retire'))
    .argument('<subject>')
    .description('revoke everything it has, and close its record')
    .action(async (name: string, options: ChangeOptions) => {
      const path = `/v1/subjects/${encodeURIComponent(name)}/retire`;
      await sendChange(options, { path, body: {}, done: `retired ${name}` }, output);
    });
}

async function list({ kind, attribute, standing, sort, ...options }: ListOptions, output: Output): Promise<void> {
  const order = sort === undefined ? undefined : orderBy(sort);
  await withFleet(options, async (client) => {
    const subjects = client.pages(`/v1/subjects${queryOf({ kind, attribute, standing })}`, SubjectView);
    const asking = new LastSeen(client, (words) => output.notice(words));
    const listed = asking.seen(subjects);
    const count = await output.list(order ? await sorted(listed, order) : listed, subjectListing);
    if (count === 0 && attribute !== undefined) await requireAttribute(client, attribute.replace(/=.*$/s, ''));
  });
}
