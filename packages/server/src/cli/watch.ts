import { createInterface } from 'node:readline';
import { VerdictView } from '@portcullis/contract';
import type { Command } from 'commander';
import { gateUrls, verdictWords } from './explain.ts';
import { type FleetOptions, withFleet } from './fleet-client.ts';
import type { Output } from './output.ts';

export function watchCommand(program: Command, output: Output): void {
  program
    .command('watch')
    .option('--subject <subject>', 'of this subject alone')
    .description('verdicts as they happen, until interrupted')
    .action(async (options: FleetOptions & { subject?: string }) => {
      const stop = new AbortController();
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
      const query = options.subject === undefined ? '' : `&subject=${encodeURIComponent(options.subject)}`;
      await withFleet(options, async (client) => {
        const followed = (await gateUrls(client)).map(async (url) => {
          const answer = await client.streamFromGate(url, `/v1/verdicts?follow=1${query}`, stop.signal);
          for await (const line of createInterface({ input: answer })) {
            const one = VerdictView.parse(JSON.parse(line));
            output.line(one, verdictWords(one));
          }
        });
        await Promise.race(followed).catch((error: unknown) => {
          if (!stop.signal.aborted) throw error;
        });
        if (!stop.signal.aborted) output.notice('a gate ended the stream');
      });
    });
}
