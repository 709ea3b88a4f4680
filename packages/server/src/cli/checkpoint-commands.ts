import { PortcullisError, TokenCreated } from '@portcullis/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { readAssignments, requireAssignments } from './assignments.ts';
import { each } from './change-options.ts';
import { durationOf } from './duration.ts';
import { type FleetOptions, withFleet } from './fleet-client.ts';
import type { Output } from './output.ts';
import { publicUrlOf } from './public-url.ts';

const Created = z.object({ tokens: z.array(TokenCreated).length(1) });

interface LinkOptions extends FleetOptions {
  attribute?: string[];
  expires: string;
  url?: string;
  svg?: boolean;
  reason?: string;
}

export function checkpointCommands(program: Command, output: Output): void {
  const checkpoint = program.command('checkpoint').description('who records arrivals with nothing but a browser');
  checkpoint
    .command('link')
    .argument('<subject>')
    .option('--attribute <K=V>', 'a first attribute of a new checkpoint, for example role=customs; repeatable', each)
    .option('--expires <duration>', 'how long it can be used: 90s, 10m, 1h', '10m')
    .option('--url <url>', 'where phones reach the desk (what the desk.yaml of the fleet directory says)')
    .option('--svg', 'print it as a QR symbol, to be scanned from the screen')
    .option('--reason <text>', 'why, for the journal')
    .description('make a link that sets up one phone as this checkpoint, once; it is a secret until it was used')
    .action((subject: string, options: LinkOptions) => makeLink(subject, options, output));
}

async function makeLink(subject: string, options: LinkOptions, output: Output): Promise<void> {
  const { attribute = [], expires, svg, reason } = options;
  requireAssignments(attribute);
  const expiresSeconds = durationOf(expires);
  await withFleet(options, async (client) => {
    const url = await publicUrlOf(options, output);
    const { values } = await readAssignments(attribute, client, output);
    const token = { subject, kind: 'checkpoint', attributes: { status: 'active', ...values }, expiresSeconds };
    const body = { tokens: [token], ...(reason !== undefined && { reason }) };
    const [made] = (await client.post('/v1/tokens', body, Created)).tokens;
    if (!made) throw new PortcullisError('answer_malformed', 'the authority made no token');
    const { expiresAt, attributes } = made;
    const link = `${url}/checkpoint#${made.subject}.${made.secret}`;
    const kept = attributes === null && attribute.length > 0;
    if (kept) output.notice(`${subject} exists and keeps its attributes; "attribute set" changes them`);
    output.result(
      { subject, link, expiresAt },
      svg ? (await import('../trade/trade.ts')).symbolSvg(link).trim() : link,
    );
    if (!output.json) output.notice(`it sets up one phone, until ${expiresAt}`);
  });
}
