import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { counted, PortcullisError } from '@portcullis/contract';
import { syncDirectory } from '../durable.ts';
import { holdDirectory } from '../lock.ts';
import { parseLine } from '../outbox/reading.ts';
import { RefusedFile, type RefusedReading } from '../outbox/refused-file.ts';
import { type Survey, streamsIn, surveyStream } from '../outbox/survey.ts';
import type { Account } from '../socket/destination.ts';
import { realSystem } from '../system.ts';
import { openDestination } from './opening.ts';
import { noticeChanges, type Output } from './output.ts';
import type { Route } from './route.ts';
import { untilSignalled } from './signals.ts';

interface OutboxCommand {
  directory: string;
  stream: string | undefined;
}

const outboxesIn = (directory: string) => join(directory, 'outbox');

/** What waits, stream by stream; changes nothing, and works while another process holds the directory. */
export function listOutbox({ directory, stream }: OutboxCommand, output: Output): number {
  const surveys = named(directory, stream).map((name) => surveyStream(outboxesIn(directory), name));
  const refused = new RefusedFile(directory, realSystem).count();
  const words = surveys.length === 0 ? ['nothing has been sent from here yet'] : surveys.map(wordsOf);
  if (refused > 0)
    words.push(
      `refused: ${counted(refused, 'reading')} in refused.ndjson (outbox retry --refused sends ${refused === 1 ? 'it' : 'them'} again)`,
    );
  output.result({ streams: surveys, refused }, words.join('\n'));
  return 0;
}

function wordsOf({ stream, readings, bytes, oldest, state, damagedBytes }: Survey): string {
  const told = { empty: 'nothing waits', waiting: 'waits for a gate', unknown: 'no gate knows this stream' }[state];
  const size =
    readings === 0
      ? ''
      : `: ${counted(readings, 'reading')}, ${bytes} bytes, the oldest of ${oldest ?? 'unknown time'}`;
  const damaged = damagedBytes === 0 ? '' : `; ${damagedBytes} damaged bytes are kept`;
  return `${stream}${size}: ${told}${damaged}`;
}

/** Throws away what waits for one stream. */
export function dropOutbox({ directory, stream }: { directory: string; stream: string }, output: Output): number {
  const [name] = named(directory, stream);
  const lock = holdDirectory(directory);
  try {
    const { readings } = surveyStream(outboxesIn(directory), name as string);
    rmSync(join(outboxesIn(directory), name as string), { recursive: true });
    syncDirectory(outboxesIn(directory));
    output.result({ stream, dropped: readings }, `dropped ${counted(readings, 'reading')} of ${stream}`);
    return 0;
  } finally {
    lock.close();
  }
}

/** Sends what waits now, also for streams that no gate knew; with `refused` what was refused too, as it is. */
export async function retryOutbox(
  { directory, stream, route, refused, waitMs }: OutboxCommand & { route: Route; refused: boolean; waitMs: number },
  output: Output,
): Promise<number> {
  const stop = untilSignalled();
  const notice = noticeChanges(output);
  const file = new RefusedFile(directory, realSystem);
  const again = refused ? file.take() : [];
  const wanted = again.filter((one) => stream === undefined || one.stream === stream);
  const streams = refused ? [...new Set(wanted.map((one) => one.stream))] : named(directory, stream);
  const total = { acknowledged: 0, refused: 0, kept: 0 };
  try {
    for (const name of streams) {
      const readings = wanted.filter((one) => one.stream === name);
      const account = await retryStream(
        { directory, stream: name, route, readings, waitMs, signal: stop.signal },
        notice,
      );
      for (const key of ['acknowledged', 'refused', 'kept'] as const) total[key] += account[key];
    }
    if (refused) file.giveBack(again.filter((one) => !wanted.includes(one)));
  } finally {
    stop.close();
  }
  const words = `acknowledged ${total.acknowledged}, refused ${total.refused}, kept ${total.kept}`;
  output.result({ streams, ...total }, words);
  return total.refused === 0 && total.kept === 0 ? 0 : 1;
}

interface Retry {
  directory: string;
  stream: string;
  route: Route;
  readings: RefusedReading[];
  waitMs: number;
  signal: AbortSignal;
}

async function retryStream(
  { directory, stream, route, readings, waitMs, signal }: Retry,
  notice: (words: string) => void,
): Promise<Account> {
  const { destination, close } = await openDestination({ directory, stream, route }, notice);
  try {
    await destination.retry();
    const { refusal } = await destination.put(readings.map(({ line }) => parseLine(line)));
    if (refusal) throw refusal;
    return await destination.settle(AbortSignal.any([AbortSignal.timeout(waitMs), signal]));
  } finally {
    await close();
  }
}

/** @throws {PortcullisError} `usage`: there is no such stream */
function named(directory: string, stream: string | undefined): string[] {
  if (!existsSync(directory))
    throw new PortcullisError('credential_unusable', `"${directory}" does not exist; enrol first`);
  const streams = streamsIn(outboxesIn(directory));
  if (stream === undefined) return streams;
  if (streams.includes(stream)) return [stream];
  throw new PortcullisError(
    'usage',
    `nothing was sent to stream "${stream}"; the outbox knows [${streams.join(', ')}]`,
  );
}
