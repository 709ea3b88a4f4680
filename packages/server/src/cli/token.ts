import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  counted,
  parseToken,
  plainJson,
  TokenCreated,
  TokenRequest,
  TokenView,
  tokensPerRequestMax,
} from '@portcullis/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { readAssignments, requireAssignments } from './assignments.ts';
import { each } from './change-options.ts';
import { createKey, wantsKey } from './create-key.ts';
import { directoryOf, type FleetOptions, queryOf, withFleet } from './fleet-client.ts';
import type { Listing, Output } from './output.ts';
import { commonOf, requireOne, wantedOf } from './wanted-subjects.ts';

const TokensCreated = z.object({ revision: z.int(), tokens: z.array(TokenCreated) });
const TokenVoided = z.object({ voided: z.literal(true), changed: z.int().optional() });
/** Of so many tokens each is spoken of. */
const saidMax = 3;

const tokenListing: Listing<TokenView> = {
  columns: [
    { title: 'ID', priority: 1, value: ({ id }) => id },
    { title: 'SUBJECT', priority: 1, value: ({ subject }) => subject },
    { title: 'KIND', priority: 3, value: ({ kind }) => kind },
    {
      title: 'STATE',
      priority: 1,
      value: ({ state }) => state,
      colour: ({ state }) => (state === 'open' ? 'green' : undefined),
    },
    { title: 'MADE', priority: 4, value: ({ createdAt }) => createdAt },
    { title: 'EXPIRES', priority: 2, value: ({ expiresAt }) => expiresAt },
  ],
  none: 'there is no token',
};

export interface CreateOptions extends FleetOptions {
  kind?: string;
  attribute?: string[];
  label?: string;
  expires?: string;
  from?: string;
  afterRevocation?: boolean;
  est?: boolean;
  host?: string[];
  reads?: string[];
  reason?: string;
  credential?: string;
  replace?: boolean;
}

export function tokenCommands(program: Command, output: Output): void {
  const token = program.command('token').description('how a new subject gets its certificate');
  token
    .command('create')
    .argument('[subject]')
    .option('--kind <kind>', 'device, gateway, shipment, gate, operator, monitor or checkpoint (device)')
    .option('--attribute <K=V>', 'a first attribute of a new subject, beside status=active; repeatable', each)
    .option('--label <text>', 'the same as --attribute label=TEXT: how its maker writes it, always as a string')
    .option(
      '--credential <form>',
      'certificate, or oscore: a key to flash into a sensor that can do no X.509 (certificate)',
    )
    .option('--replace', 'of a key credential: the one that the subject has is superseded at once')
    .option('--expires <duration>', 'how long it can be used: 90s, 15m, 1h, 7d (1h)')
    .option('--from <file>', 'many: a subject id or a JSON object a line')
    .option('--after-revocation', 'although the subject has a suspended or revoked certificate')
    .option('--est', 'it may be used by EST at a desk, which learns it; prints SUBJECT:SECRET, user and password')
    .option(
      '--host <name>',
      'of a gate or a desk: a DNS name or address of its server certificate, repeatable (of a new one: localhost, 127.0.0.1, ::1)',
      each,
    )
    .option('--reads <attribute>', 'of a new gate: an attribute that it may ask of the feed, repeatable (any)', each)
    .option('--reason <text>', 'why, for the journal')
    .description(
      'make a token: it is printed once, and only its hash is kept; or a key credential, whose secret is printed once',
    )
    .action((subject: string | undefined, options: CreateOptions) =>
      wantsKey(options) ? createKey(subject, options, output) : createTokens(subject, options, output),
    );
  token
    .command('list')
    .option('--archived', 'those that expired more than a month ago')
    .description('list tokens, without their secrets')
    .action(async (options: FleetOptions & { archived?: boolean }) => {
      await withFleet(options, async (client) => {
        const query = queryOf({ archived: options.archived ? '1' : undefined });
        const none = options.archived && { none: 'no token is archived' };
        await output.list(client.pages(`/v1/tokens${query}`, TokenView), { ...tokenListing, ...none });
      });
    });
  token
    .command('revoke')
    .argument('<id>', 'as "token list" shows it')
    .option('--reason <text>', 'why, for the journal')
    .description('make a token unusable')
    .action(async (id: string, options: FleetOptions & { reason?: string }) => {
      await withFleet(options, async (client) => {
        const body = options.reason === undefined ? {} : { reason: options.reason };
        const answer = await client.post(`/v1/tokens/${encodeURIComponent(id)}/revocation`, body, TokenVoided);
        output.result(
          { id, ...answer },
          answer.changed === 0 ? `nothing changed: ${id} was void already` : `voided ${id}`,
        );
      });
    });
}

async function createTokens(subject: string | undefined, options: CreateOptions, output: Output): Promise<void> {
  const { attribute = [], from: file, reason } = options;
  requireOne(subject, file);
  requireAssignments(attribute);
  await withFleet(options, async (client) => {
    const { values, takenAsString } = await readAssignments(attribute, client, output);
    const wanted = wantedOf(TokenRequest, {
      what: 'the token',
      subject,
      from: file,
      common: commonOf(options, values),
    });
    const asked = Object.keys({ ...values, ...(options.label !== undefined && { label: options.label }) });
    const told = takenAsString.length > 0 ? { takenAsString } : {};
    for (let from = 0; from < wanted.length; from += tokensPerRequestMax) {
      const body = { tokens: wanted.slice(from, from + tokensPerRequestMax), ...(reason !== undefined && { reason }) };
      const { tokens } = await client.post('/v1/tokens', body, TokensCreated, 120_000);
      for (const one of tokens)
        output.result(
          { ...one, ...told, ...(one.attributes === null && asked.length > 0 && { notSet: asked }) },
          wordsOf(one, options),
        );
      if (!output.json) for (const words of givenWords(tokens, asked)) output.notice(words);
      const [first] = tokens;
      if (options.est && from === 0 && first) await tellEst(first, options, output);
    }
  });
}

/** The secret of one for EST is typed into a program that does not know our tokens. */
function wordsOf({ subject, secret, token }: TokenCreated, { est, from }: CreateOptions): string {
  if (est) return `${subject}:${secret}`;
  return from === undefined ? token : `${subject} ${token}`;
}

/** Where and how it is used. curl asks for the password: among its words every other program of the machine would read it. */
async function tellEst({ token, subject }: TokenCreated, options: CreateOptions, output: Output): Promise<void> {
  const directory = directoryOf(options);
  const port = await estPortIn(directory);
  const { hostname } = new URL(parseToken(token).url);
  const url = `https://${hostname}:${port ?? 'PORT'}/.well-known/est/simpleenroll`;
  const known = port === undefined ? ' (PORT: "listen.estPort" in the desk\'s desk.yaml)' : '';
  output.notice(`by EST it is used at ${url}${known}, with a request in PKCS#10; curl asks for the secret:`);
  const words = `--cacert ${join(directory, 'root.pem')} --user ${subject} -H 'content-type: application/pkcs10'`;
  output.notice(`  curl ${words} --data-binary @request.der ${url}`);
}

/** Of the desk whose file lies here, if one does. */
async function estPortIn(directory: string): Promise<number | undefined> {
  if (!existsSync(join(directory, 'desk.yaml'))) return undefined;
  const { loadDeskConfig } = await import('../config/config.ts');
  return loadDeskConfig(directory).listen.estPort;
}

/** Of a few what each was given, of many how many are new. */
function givenWords(tokens: TokenCreated[], asked: readonly string[]): string[] {
  const notSet = asked.length > 0 ? `: [${asked.join(', ')}] was not set, which "attribute set" does` : '';
  if (tokens.length > saidMax) {
    const made = tokens.filter(({ attributes }) => attributes !== null).length;
    const kept = tokens.length - made;
    return [
      `${tokens.length} tokens; ${counted(made, 'subject is', 'subjects are')} new, ${counted(kept, 'keeps', 'keep')} the attributes that ${kept === 1 ? 'it has' : 'they have'}${kept > 0 ? notSet : ''}`,
    ];
  }
  return tokens.map(({ subject, kind, attributes, hosts, expiresAt }) => {
    const names = hosts ? `its next server certificate is for [${hosts.join(', ')}]; ` : '';
    const until = `${names}the token can be used until ${expiresAt}`;
    if (!attributes) return `${subject} exists and keeps its attributes${notSet}; ${until}`;
    const given = Object.entries(attributes).map(([name, value]) => `${name}=${plainJson(value)}`);
    return `${subject} is new: ${kind} with ${given.join(', ') || 'no attribute'}; ${until}`;
  });
}
