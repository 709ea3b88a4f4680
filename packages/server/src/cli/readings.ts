import { ReadingView } from '@portcullis/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { gateUrls } from './explain.ts';
import { type FleetOptions, withFleet } from './fleet-client.ts';
import { columns, type Output } from './output.ts';

const Page = z.object({ items: z.array(ReadingView), next: z.string().nullable() });

export function readingsCommand(program: Command, output: Output): void {
  program
    .command('readings')
    .argument('[stream]')
    .option('--subject <subject>', 'of this subject alone')
    .description('what was stored, oldest first')
    .action(async (stream: string | undefined, options: FleetOptions & { subject?: string }) => {
      const { subject } = options;
      const filter = {
        ...(stream !== undefined && { stream }),
        ...(subject !== undefined && { subject }),
        limit: '1000',
      };
      await withFleet(options, async (client) => {
        for (const url of await gateUrls(client)) {
          for (let after: string | null = '0'; after !== null; ) {
            const query: string = new URLSearchParams({ ...filter, after }).toString();
            const { items, next }: z.infer<typeof Page> = await client.getFromGate(url, `/v1/readings?${query}`, Page);
            for (const one of items) output.line(one, wordsOf(one));
            after = next;
          }
        }
      });
    });
}

function wordsOf({ receivedAt, subject, stream, id, proof, data }: ReadingView): string {
  const mark = proof === 'proven' ? '' : ' (unproven)';
  return `${columns([receivedAt, 24], [subject, 20], [stream, 14], [id, 30])} ${JSON.stringify(data)}${mark}`;
}
