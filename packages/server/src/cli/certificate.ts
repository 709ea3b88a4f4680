import {
  CertificateView,
  FleetView,
  PortcullisError,
  RevocationReason,
  readFingerprint,
  type StandingsRequest,
  standingsPerChangeMax,
} from '@portcullis/contract';
import type { Command } from 'commander';
import { timestamp } from '../telemetry/system.ts';
import { addManyOptions } from './change-options.ts';
import { durationOf } from './duration.ts';
import { type FleetClient, type FleetOptions, queryOf, sendChange, withFleet } from './fleet-client.ts';
import type { ForgottenOptions } from './forgotten.ts';
import type { Listing, Output } from './output.ts';
import { subjectsOf } from './subjects-of.ts';
import type { Colour } from './table.ts';
import { type ManyOptions, sendToMany } from './to-many.ts';

type Action = StandingsRequest['action'];
const actions: Record<Action, string> = {
  suspend: 'cut it off, reversibly',
  resume: 'take a suspension back',
  revoke: 'cut it off, for ever',
};

interface StandingOptions extends ManyOptions {
  reasonCode?: string;
}

interface ListOptions extends FleetOptions {
  subject?: string;
  kind?: string;
  standing?: string;
  form?: string;
  ending?: string;
  archived?: boolean;
}

export function certificateCommands(program: Command, output: Output): void {
  const certificate = program.command('certificate').description('certificates and their standing');
  addListOptions(certificate.command('list'))
    .option('--subject <subject>', 'of this subject alone')
    .description('list certificates')
    .action((options: ListOptions) => listCredentials(options, output));
  certificate
    .command('show')
    .argument('<subject|fingerprint>')
    .description('show the certificates of a subject, or one')
    .action((name: string, options: FleetOptions) => showCertificates(name, options, output));
  certificate
    .command('forgotten')
    .option('--repeat', 'suspend and revoke them again here')
    .option('--reason <text>', 'why, for the journal')
    .description(
      'what gates know as suspended or revoked and this authority does not, after it was restored from a backup',
    )
    .action(async (options: ForgottenOptions) => {
      const { forgotten } = await import('./forgotten.ts');
      await forgotten(options, output);
    });
  addActions(certificate, output);
}

export function credentialCommands(program: Command, output: Output): void {
  const credential = program
    .command('credential')
    .description('what subjects prove who they are with: certificates and key credentials');
  addListOptions(credential.command('list'))
    .argument('[subject]', 'of this subject alone')
    .option('--form <form>', 'certificate or oscore ones alone')
    .description('list credentials of either form')
    .action((subject: string | undefined, options: ListOptions) =>
      listCredentials({ ...options, ...(subject !== undefined && { subject }) }, output),
    );
  addActions(credential, output);
}

function addListOptions(list: Command): Command {
  return list
    .option('--kind <kind>', 'of subjects of this kind alone')
    .option('--standing <standing>', 'valid, suspended, revoked or superseded ones')
    .option('--ending <duration>', 'those that are valid and end within 12h, 30d …, the soonest first')
    .option('--archived', 'those that ended long ago, which nothing that decides reads any more');
}

async function listCredentials(options: ListOptions, output: Output): Promise<void> {
  await withFleet(options, async (client) => {
    const query = queryOf(await filtersOf(client, options));
    const none = options.archived && { none: 'no certificate is archived' };
    await output.list(client.pages(`/v1/certificates${query}`, CertificateView), { ...certificateListing, ...none });
  });
}

function addActions(noun: Command, output: Output): void {
  for (const [action, description] of Object.entries(actions)) {
    const command = addManyOptions(noun.command(action)).option(
      '--wait-public',
      'wait, as with --wait, until desks too answer strangers by it',
    );
    if (action === 'revoke') {
      const codes = RevocationReason.options.join(', ');
      command.option(
        '--reason-code <code>',
        `what verifiers are told (RFC 5280), keyCompromise also of what was revoked before: ${codes}`,
      );
    }
    command
      .argument('[subject|fingerprint]', 'whose, unless --where says; @FILE or - with a subject a line')
      .description(description)
      .action((name: string | undefined, options: StandingOptions) =>
        changeStanding(action as Action, name, options, output),
      );
  }
}

async function changeStanding(
  action: Action,
  name: string | undefined,
  options: StandingOptions,
  output: Output,
): Promise<void> {
  const fingerprint = name === undefined ? undefined : readFingerprint(name);
  const isOne = name !== undefined && !/^[@-]/.test(name);
  const code = options.reasonCode === undefined ? {} : { reasonCode: options.reasonCode };
  const one = { action, ...code, ...(fingerprint ? { fingerprint } : { subject: name }) };
  const change = { path: '/v1/standings', body: one, done: `${action} ${name}` };
  if (fingerprint && options.dryRun)
    throw new PortcullisError('usage', '--dry-run is for subjects; name the subject of that certificate');
  if (isOne && options.where === undefined && !options.dryRun) return sendChange(options, change, output);
  const subjects = name === undefined ? undefined : await subjectsOf([name]);
  const many = { ...ofStandings(action), subjects };
  await sendToMany(options, { ...many, body: { action, ...code }, done: (who) => `${action} ${who}` }, output);
}

function ofStandings(action: Action) {
  const standing = { suspend: 'suspended', revoke: 'revoked', resume: undefined } as const;
  const after = standing[action];
  return {
    path: '/v1/standings',
    counts: 'record' as const,
    perRequest: standingsPerChangeMax,
    trialOf: () => after && { standing: after },
  };
}

/** What ends soon is a matter of the authority's clock, which signs the ends. */
async function filtersOf(client: FleetClient, { subject, kind, standing, form, ending, archived }: ListOptions) {
  if (archived && ending !== undefined)
    throw new PortcullisError('usage', '--archived is for what has ended; it has no --ending');
  if (ending === undefined) return { subject, kind, standing, form, archived: archived ? '1' : undefined };
  const withinMs = durationOf(ending) * 1000;
  const { time } = await client.get('/v1/fleet', FleetView);
  return { subject, kind, standing, form, endsBefore: timestamp(Date.parse(time) + withinMs) };
}

async function showCertificates(name: string, options: FleetOptions, output: Output): Promise<void> {
  const fingerprint = readFingerprint(name);
  await withFleet(options, async (client) => {
    if (fingerprint) {
      const one = await client.get(`/v1/certificates/${fingerprint}`, CertificateView);
      return output.record(one, Object.entries(one));
    }
    const path = `/v1/certificates?subject=${encodeURIComponent(name)}`;
    await output.list(client.pages(path, CertificateView), {
      ...certificateListing,
      none: `"${name}" has no certificate`,
    });
  });
}

const standingColours: Record<CertificateView['standing'], Colour | undefined> = {
  valid: 'green',
  suspended: 'yellow',
  revoked: 'red',
  superseded: undefined,
};

const certificateListing: Listing<CertificateView> = {
  columns: [
    { title: 'SUBJECT', priority: 1, value: ({ subject }) => subject },
    { title: 'KIND', priority: 4, value: ({ kind }) => kind },
    { title: 'FORM', priority: 3, value: ({ form }) => form },
    { title: 'FOR', priority: 5, value: ({ purpose }) => purpose },
    {
      title: 'STANDING',
      priority: 1,
      value: ({ standing }) => standing,
      colour: ({ standing }) => standingColours[standing],
    },
    { title: 'ENDS', priority: 2, value: ({ notAfter }) => notAfter },
    { title: 'FINGERPRINT', priority: 3, least: 12, value: ({ fingerprint }) => fingerprint },
  ],
  none: 'there is no certificate',
};
