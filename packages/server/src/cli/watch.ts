import { createInterface } from 'node:readline';
import { buffer } from 'node:stream/consumers';
import { PortcullisError, VerdictView } from '@portcullis/contract';
import { problemOf } from '@portcullis/device/client';
import type { Command } from 'commander';
import { gateUrls } from './ask-gates.ts';
import { watchListing } from './explain.ts';
import { type FleetClient, type FleetOptions, withFleet } from './fleet-client.ts';
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
        const tell = output.live(watchListing);
        const path = `/v1/verdicts?follow=1${query}`;
        const followed = (await gateUrls(client)).map((url) => follow(client, { url, path }, stop.signal, tell));
        await Promise.race(followed).catch((error: unknown) => {
          if (!stop.signal.aborted) throw error;
        });
      });
    });
}

/** Until the signal ends it. @throws {PortcullisError} why it ended before */
async function follow(
  client: FleetClient,
  { url, path }: { url: string; path: string },
  signal: AbortSignal,
  tell: (one: VerdictView) => void,
): Promise<void> {
  const answer = await client.streamFromGate(url, path, signal);
  if (answer.statusCode !== 200) {
    throw problemOf({ status: answer.statusCode ?? 0, headers: answer.headers, body: await buffer(answer) });
  }
  let cause: unknown;
  // A gate that cuts this operator breaks the connection, and says nothing.
  answer.once('error', (error) => {
    cause = error;
  });
  try {
    for await (const line of createInterface({ input: answer })) tell(VerdictView.parse(JSON.parse(line)));
  } catch (error) {
    if (error !== cause) throw error;
  }
  if (!signal.aborted) throw await whyEnded(client, url, cause);
}

/** The authority is asked: it refuses whom a gate has cut. */
async function whyEnded(client: FleetClient, url: string, cause: unknown): Promise<PortcullisError> {
  try {
    await gateUrls(client);
  } catch (error) {
    if (error instanceof PortcullisError && error.code === 'not_authenticated') {
      const words = `the gate at ${url} ended the stream: this operator's certificate is not admitted any more`;
      return new PortcullisError('not_authenticated', words, { cause: error });
    }
  }
  const words = `the gate at ${url} ended the stream: it stopped, or the connection broke`;
  return new PortcullisError('server_unreachable', words, { cause });
}
