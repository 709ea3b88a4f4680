import { setTimeout as pause } from 'node:timers/promises';
import type { Link } from '@portcullis/device';
import type { z } from 'zod';
import { MessageStream } from '../credentials/credentials.ts';
import type { Log } from '../telemetry/telemetry.ts';

/** What a line is, and what keeps what is told. */
interface Parts<Message extends { type: string }> {
  url: string;
  shape: z.ZodType<Message>;
  link(): Link;
  record: { hear(message: Message): void; brokeOff(): void };
  log: Log;
}

const firstPauseMs = 250;
const longestPauseMs = 5_000;

/** Keeps the record fed until the signal ends it: whatever breaks, it asks again, and begins with all. */
export async function follow<Message extends { type: string }>(
  { url, shape, link, record, log }: Parts<Message>,
  stop: AbortSignal,
): Promise<void> {
  const read = (line: Buffer) => shape.parse(JSON.parse(line.toString('utf8')));
  const asked = { url, accept: 'application/x-ndjson', read };
  let pauseMs = firstPauseMs;
  let said = '';
  while (!stop.aborted) {
    try {
      const stream = await MessageStream.open(link(), asked, stop);
      for (let message = await stream.next(); message; message = await stream.next()) {
        record.hear(message);
        if (message.type === 'beat') [pauseMs, said] = [firstPauseMs, ''];
      }
    } catch (error) {
      const { message } = error as Error;
      if (!stop.aborted && message !== said)
        log.info({ err: error }, 'the authority tells the desk nothing; asking again');
      said = message;
    }
    record.brokeOff();
    await pause(pauseMs, undefined, { signal: stop }).catch(() => undefined);
    pauseMs = Math.min(longestPauseMs, 2 * pauseMs);
  }
}
