import { GateView, PortcullisError, readFingerprint, VerdictView } from '@portcullis/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { type FleetClient, type FleetOptions, withFleet } from './fleet-client.ts';
import { columns, type Output } from './output.ts';

const Verdicts = z.object({ items: z.array(VerdictView) });

export function explainCommand(program: Command, output: Output): void {
  program
    .command('explain')
    .argument('<subject|fingerprint>')
    .option('--stream <stream>', 'on this stream alone')
    .description('what the gates would decide now, and why')
    .action(async (name: string, options: FleetOptions & { stream?: string }) => {
      const fingerprint = readFingerprint(name);
      const query = new URLSearchParams(fingerprint ? { certificate: fingerprint } : { subject: name });
      if (options.stream !== undefined) query.set('stream', options.stream);
      await withFleet(options, async (client) => {
        for (const url of await gateUrls(client)) {
          const { items } = await client.getFromGate(url, `/v1/explain?${query}`, Verdicts);
          for (const one of items) output.line(one, verdictWords(one));
          if (items.length === 0) output.notice(`${url}: "${name}" has no certificate that could connect`);
        }
      });
    });
}

/** The gates that may decide now, one address each. @throws {PortcullisError} `server_unreachable` */
export async function gateUrls(client: FleetClient): Promise<string[]> {
  const { items } = await client.get('/v1/gates', z.object({ items: z.array(GateView) }));
  const urls = items.filter(({ lease, url }) => lease === 'held' && url !== null).map(({ url }) => url as string);
  if (urls.length > 0) return [...new Set(urls)];
  throw new PortcullisError('server_unreachable', 'no gate holds a lease now; "portcullis gate list" shows them');
}

export function verdictWords(one: VerdictView): string {
  const who = one.subject ?? 'nobody we know';
  const head = columns([one.at, 24], [one.verdict, 8], [who, 20], [one.stream, 16]);
  const times = one.count > 1 ? ` ×${one.count}` : '';
  if (one.verdict === 'admitted') return `${head}${times}`;
  const told =
    one.expected === null ? '' : ` expected ${JSON.stringify(one.expected)}, found ${JSON.stringify(one.found)}`;
  const by = one.changedBy === null ? '' : ` (revision ${one.revision}, ${one.changedAt} by ${one.changedBy})`;
  return `${head} ${one.reason}${told}${by}${times}`;
}
