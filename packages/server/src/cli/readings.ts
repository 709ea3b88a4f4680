import { ReadingView } from '@portcullis/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { gateUrls } from './ask-gates.ts';
import { type FleetClient, type FleetOptions, withFleet } from './fleet-client.ts';
import type { Listing, Output } from './output.ts';

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
        await output.list(readingsOf(client, filter), readingListing);
      });
    });
}

async function* readingsOf(client: FleetClient, filter: Record<string, string>): AsyncGenerator<ReadingView> {
  for (const url of await gateUrls(client)) {
    for (let after: string | null = '0'; after !== null; ) {
      const query: string = new URLSearchParams({ ...filter, after }).toString();
      const { items, next }: z.infer<typeof Page> = await client.getFromGate(url, `/v1/readings?${query}`, Page);
      yield* items;
      after = next;
    }
  }
}

const readingListing: Listing<ReadingView> = {
  columns: [
    { title: 'RECEIVED', priority: 1, value: ({ receivedAt }) => receivedAt },
    { title: 'SUBJECT', priority: 1, value: ({ subject }) => subject },
    { title: 'STREAM', priority: 2, value: ({ stream }) => stream },
    { title: 'PROOF', priority: 3, value: ({ proof }) => proof },
    { title: 'ID', priority: 4, value: ({ id }) => id },
    { title: 'DATA', priority: 1, least: 20, value: ({ data }) => JSON.stringify(data) },
  ],
};
