import { setTimeout as pause } from 'node:timers/promises';
import { PortcullisError } from '@portcullis/contract';
import type { Link } from '@portcullis/device';
import type { z } from 'zod';
import { MessageStream } from '../credentials/credentials.ts';
import type { Log } from '../telemetry/telemetry.ts';
import type { Position } from './position.ts';

/** What ends with a beat is of the revision that the beat says. */
type Told =
  | { type: 'beat'; revision: number; hash?: string | undefined }
  | { type: 'issuers' | 'standings' | 'snapshot' | 'subjects' };

/** What a line is, and what keeps what is told. */
interface Parts<Message extends Told> {
  url: string;
  position: Position;
  shape: z.ZodType<Message>;
  link(): Link;
  record: {
    hear(message: Message): void;
    brokeOff(): void;
    /** The authority lacks what was told before: nothing it says is believed, until somebody accepts that. */
    distrust(): void;
  };
  log: Log;
}

const firstPauseMs = 250;
const longestPauseMs = 5_000;
const restoreAdvice =
  'nothing is told from it; if the authority was restored on purpose, run "portcullis desk accept-restore" on this directory';

/** Keeps the record fed until the signal ends it: whatever breaks, it asks again, and begins with all. */
export async function follow<Message extends Told>(
  { url, position, shape, link, record, log }: Parts<Message>,
  stop: AbortSignal,
): Promise<void> {
  const read = (line: Buffer) => shape.parse(JSON.parse(line.toString('utf8')));
  let pauseMs = firstPauseMs;
  let said = '';
  while (!stop.aborted) {
    let stream: MessageStream<Message> | undefined;
    try {
      const before = position.seen;
      const asked = `${url}?${new URLSearchParams(position.asked)}`;
      stream = await MessageStream.open(link(), { url: asked, accept: 'application/x-ndjson', read }, stop);
      for (let message = await stream.next(); message; message = await stream.next()) {
        if (message.type === 'beat') position.requireForward(before, message);
        record.hear(message);
        if (message.type !== 'beat') continue;
        position.move(message);
        [pauseMs, said] = [firstPauseMs, ''];
      }
    } catch (error) {
      const { message } = error as Error;
      const regressed = error instanceof PortcullisError && error.code === 'revision_regressed';
      if (regressed) {
        record.distrust();
        await position.isForgotten();
      }
      if (!stop.aborted && message !== said) {
        if (regressed) log.error({ err: error }, `${message}; ${restoreAdvice}`);
        else log.info({ err: error }, 'the authority tells the desk nothing; asking again');
      }
      said = message;
    }
    stream?.close();
    record.brokeOff();
    await pause(pauseMs, undefined, { signal: stop }).catch(() => undefined);
    pauseMs = Math.min(longestPauseMs, 2 * pauseMs);
  }
}
