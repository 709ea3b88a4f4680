import { readFileSync } from 'node:fs';
import { PortcullisError, TokenCreated, TokenRequest, TokenView } from '@portcullis/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { assignmentsOf } from './attribute.ts';
import { each } from './change-options.ts';
import { type FleetOptions, withFleet } from './fleet-client.ts';
import type { Listing, Output } from './output.ts';

const TokensCreated = z.object({ revision: z.int(), tokens: z.array(TokenCreated) });
const tokensPerRequest = 10_000;

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
  none: 'no token was ever made',
};

interface CreateOptions extends FleetOptions {
  kind?: string;
  attribute?: string[];
  expires?: string;
  from?: string;
  afterRevocation?: boolean;
  host?: string[];
  reason?: string;
}

export function tokenCommands(program: Command, output: Output): void {
  const token = program.command('token').description('how a new subject gets its certificate');
  token
    .command('create')
    .argument('[subject]')
    .option('--kind <kind>', 'device, gateway, shipment, gate, operator, monitor or checkpoint (device)')
    .option('--attribute <K=V>', 'a first attribute of a new subject, repeatable (status=active)', each)
    .option('--expires <duration>', 'how long it can be used: 90s, 15m, 1h, 7d (1h)')
    .option('--from <file>', 'many: a subject id or a JSON object a line')
    .option('--after-revocation', 'although the subject has a suspended or revoked certificate')
    .option('--host <name>', 'of a gate: a DNS name or address of its server certificate, repeatable', each)
    .option('--reason <text>', 'why, for the journal')
    .description('make a token: it is printed once, and only its hash is kept')
    .action((subject: string | undefined, options: CreateOptions) => createTokens(subject, options, output));
  token
    .command('list')
    .description('list tokens, without their secrets')
    .action(async (options: FleetOptions) => {
      await withFleet(options, async (client) => {
        await output.list(client.pages('/v1/tokens', TokenView), tokenListing);
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
        const answer = await client.post(`/v1/tokens/${encodeURIComponent(id)}/revocation`, body, z.looseObject({}));
        output.result({ id, ...answer }, `voided ${id}`);
      });
    });
}

async function createTokens(subject: string | undefined, options: CreateOptions, output: Output): Promise<void> {
  if ((subject === undefined) === (options.from === undefined)) {
    throw new PortcullisError('usage', 'name one subject, or a file of them with --from FILE');
  }
  const common = commonOf(options);
  const wanted =
    subject === undefined ? fileOf(options.from as string, common) : [check({ ...common, subject }, 'the token')];
  const { reason } = options;
  await withFleet(options, async (client) => {
    for (let from = 0; from < wanted.length; from += tokensPerRequest) {
      const body = { tokens: wanted.slice(from, from + tokensPerRequest), ...(reason !== undefined && { reason }) };
      const { tokens } = await client.post('/v1/tokens', body, TokensCreated, 120_000);
      for (const one of tokens)
        output.result(one, options.from === undefined ? one.token : `${one.subject} ${one.token}`);
    }
  });
}

function commonOf({ kind, attribute, expires, afterRevocation, host }: CreateOptions): Record<string, unknown> {
  return {
    ...(kind !== undefined && { kind }),
    ...(attribute && { attributes: assignmentsOf(attribute) }),
    ...(expires !== undefined && { expiresSeconds: durationOf(expires) }),
    ...(afterRevocation && { afterRevocation }),
    ...(host && { hosts: host }),
  };
}

function fileOf(file: string, common: Record<string, unknown>): z.infer<typeof TokenRequest>[] {
  const lines = readFileSync(file === '-' ? 0 : file, 'utf8').split('\n');
  return lines.flatMap((text, index) => {
    const line = text.trim();
    if (line === '') return [];
    const own = line.startsWith('{') ? parseLine(line, index + 1) : { subject: line };
    return [check({ ...common, ...own }, `line ${index + 1}`)];
  });
}

function parseLine(text: string, line: number): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (cause) {
    throw new PortcullisError('usage', `line ${line} is not JSON`, { cause });
  }
}

function check(token: Record<string, unknown>, where: string): z.infer<typeof TokenRequest> {
  const parsed = TokenRequest.safeParse(token);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new PortcullisError('usage', `${where}: "${issue?.path.join('.')}" ${issue?.message}`);
}

const units = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;

export function durationOf(text: string): number {
  const [, number, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (number && unit) return Number(number) * units[unit as keyof typeof units];
  throw new PortcullisError('usage', `"${text}" is not a duration; it must be like 90s, 15m, 1h or 7d`);
}
