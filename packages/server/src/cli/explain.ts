import { GateView, PortcullisError, readFingerprint, VerdictView } from '@portcullis/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { type FleetClient, type FleetOptions, withFleet } from './fleet-client.ts';
import type { Listing, Output } from './output.ts';
import type { Column } from './table.ts';

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
        const verdicts: VerdictView[] = [];
        for (const url of await gateUrls(client)) {
          const { items } = await client.getFromGate(url, `/v1/explain?${query}`, Verdicts);
          verdicts.push(...items);
          if (items.length === 0) output.notice(`${url}: "${name}" has no certificate that could connect`);
        }
        await output.list(verdicts, explainListing);
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

const who: Column<VerdictView> = {
  title: 'SUBJECT',
  priority: 2,
  usual: 16,
  value: ({ subject }) => subject ?? 'nobody we know',
};
const stream: Column<VerdictView> = { title: 'STREAM', priority: 2, usual: 12, value: (one) => one.stream };
const verdict: Column<VerdictView> = {
  title: 'VERDICT',
  priority: 1,
  usual: 8,
  value: (one) => one.verdict,
  colour: (one) => (one.verdict === 'admitted' ? 'green' : 'red'),
};
const why: Column<VerdictView> = { title: 'WHY', priority: 1, usual: 80, least: 16, value: whyOf };

function whyOf({ verdict: said, reason, expected, found, revision, changedAt, changedBy }: VerdictView): string {
  if (said === 'admitted') return '';
  const told = expected === null ? '' : ` expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`;
  const by = changedBy === null ? '' : ` (revision ${revision}, ${changedAt} by ${changedBy})`;
  return `${reason}${told}${by}`;
}

/** Why is what was asked: it is never cut. */
const explainListing: Listing<VerdictView> = {
  columns: [who, stream, verdict, { title: 'WHY', priority: 1, value: whyOf }],
};

export const watchListing: Listing<VerdictView> = {
  columns: [
    { title: 'AT', priority: 1, usual: 24, value: ({ at }) => at },
    who,
    { ...stream, priority: 3 },
    verdict,
    { title: 'TIMES', priority: 4, usual: 5, align: 'right', value: ({ count }) => count },
    why,
  ],
};
