import { createInterface } from 'node:readline';
import { buffer } from 'node:stream/consumers';
import { PortcullisError, VerdictsDropped, VerdictView } from '@portcullis/contract';
import { problemOf } from '@portcullis/device/client';
import type { Command } from 'commander';
import type { Gate } from './ask-gates.ts';
import { watchListing } from './explain.ts';
import { type FleetClient, type FleetOptions, withFleet } from './fleet-client.ts';
import { requireSubject } from './known-names.ts';
import type { Output } from './output.ts';
import { type News, newsWords, realPauses, untilInterrupted, watchGates } from './watch-gates.ts';

export function watchCommand(program: Command, output: Output): void {
  program
    .command('watch')
    .option('--subject <subject>', 'of this subject alone')
    .description('verdicts of all gates as they happen, until interrupted')
    .action(async (options: FleetOptions & { subject?: string }) => {
      const query = options.subject === undefined ? '' : `&subject=${encodeURIComponent(options.subject)}`;
      const textOf = output.live(watchListing);
      const tell = (news: News) => output.notice(newsWords(news, output.json));
      await withFleet(options, async (client) => {
        if (options.subject !== undefined) await requireSubject(client, options.subject);
        const watched = {
          session: (gate: Gate, live: () => void, signal: AbortSignal) =>
            watch(client, `${gate.url}/v1/verdicts?follow=1${query}`, live, signal, async (one) => {
              if ('dropped' in one) tell({ dropped: one.dropped, of: gate });
              else await output.text(textOf(one));
            }),
          tell,
        };
        await watchGates(client, watched, realPauses, untilInterrupted());
      });
    });
}

/** Until the signal ends it. @throws {PortcullisError} why it ended before */
async function watch(
  client: FleetClient,
  url: string,
  live: () => void,
  signal: AbortSignal,
  tell: (one: VerdictView | VerdictsDropped) => Promise<void>,
): Promise<void> {
  const answer = await client.streamFromGate(url, '', signal);
  if (answer.statusCode !== 200) {
    throw problemOf({ status: answer.statusCode ?? 0, headers: answer.headers, body: await buffer(answer) });
  }
  live();
  let cause: unknown;
  // A gate that cuts this operator breaks the connection, and says nothing.
  answer.once('error', (error) => {
    cause = error;
  });
  try {
    for await (const line of createInterface({ input: answer })) await tell(lineIn(line, url));
  } catch (error) {
    if (error !== cause) throw error;
  }
  if (signal.aborted) return;
  const words = `the gate at ${new URL(url).origin} ended the stream: it stopped, or the connection broke`;
  throw new PortcullisError('server_unreachable', words, { cause });
}

function lineIn(line: string, url: string): VerdictView | VerdictsDropped {
  try {
    const found: unknown = JSON.parse(line);
    const dropped = VerdictsDropped.safeParse(found);
    return dropped.success ? dropped.data : VerdictView.parse(found);
  } catch (cause) {
    throw new PortcullisError('answer_malformed', `the answer of ${url} does not fit its schema`, { cause });
  }
}
