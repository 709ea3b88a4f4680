import { setTimeout as pause } from 'node:timers/promises';
import { PublicFeedMessage } from '@portcullis/contract';
import type { Link } from '@portcullis/device';
import { MessageStream } from '../credentials/credentials.ts';
import type { Log } from '../telemetry/telemetry.ts';
import type { PublicRecord } from './public-record.ts';

interface Parts {
  authority: string;
  link(): Link;
  record: PublicRecord;
  log: Log;
}

const firstPauseMs = 250;
const longestPauseMs = 5_000;

const read = (line: Buffer) => PublicFeedMessage.parse(JSON.parse(line.toString('utf8')));

/** Keeps the record fed until the signal ends it: whatever breaks, it asks again, and begins with all. */
export async function follow({ authority, link, record, log }: Parts, stop: AbortSignal): Promise<void> {
  const asked = { url: `${authority}/v1/desk/feed`, accept: 'application/x-ndjson', read };
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
      if (!stop.aborted && message !== said) log.info({ err: error }, 'what is public is not told; asking again');
      said = message;
    }
    record.brokeOff();
    await pause(pauseMs, undefined, { signal: stop }).catch(() => undefined);
    pauseMs = Math.min(longestPauseMs, 2 * pauseMs);
  }
}
