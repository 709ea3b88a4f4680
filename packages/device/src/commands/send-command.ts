import { once } from 'node:events';
import { createReadStream, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { counted, PortcullisError } from '@portcullis/contract';
import { BoundedFile } from '../outbox/bounded-file.ts';
import { type LineGroup, Lines } from '../outbox/lines.ts';
import type { Acknowledged } from '../outbox/sender.ts';
import { streamsIn, surveyStream } from '../outbox/survey.ts';
import type { Device } from '../sending-device.ts';
import type { Account, Destination } from '../socket/destination.ts';
import { realSystem } from '../system.ts';
import { Intake } from './intake.ts';
import { type Opened, openDestination } from './opening.ts';
import { type Notice, noticeChanges, noticeRefusal, type Output, traced } from './output.ts';
import type { Route } from './route.ts';
import { untilSignalled } from './signals.ts';
import { Progress, TakenFiles } from './taken.ts';

export interface SendCommand {
  directory: string;
  stream: string;
  route: Route;
  /** A path, or `-` for standard input. */
  file: string;
  /** How long to go on without an acknowledgement once the input has ended, and how long to wait for room in a full outbox. */
  waitMs: number;
  /** Go on where the last send of this file stopped; false: send all of it anew. */
  resume?: boolean | undefined;
  /** Set lines apart that are no readings, and go on; else the first one ends the sending. By default so with a pipe. */
  skipBad?: boolean | undefined;
  /** Says which readings a gate acknowledged. */
  trace?: boolean;
}

/** Reading in larger pieces makes more readings durable together. */
const pieceBytes = 1024 * 1024;
const badLinesBytesMax = 1024 * 1024;

/**
 * Sends JSON lines. What is not acknowledged in time stays in the outbox: the next `send` or `run` goes on with it. Where `run`
 * holds the directory the lines are handed to it. The exit status speaks of these readings, not of older ones.
 */
export async function sendReadings(command: SendCommand, output: Output): Promise<number> {
  const stop = untilSignalled();
  const notice = noticeChanges(output);
  let input: Readable | undefined;
  let opened: Opened | undefined;
  try {
    const progress = await progressOf(command, notice);
    input = await inputOf(command.file, progress?.bytes ?? 0);
    const { trace, ...wanted } = command;
    const onAcknowledged = trace ? (one: Acknowledged) => traced(output, one) : undefined;
    opened = await openDestination({ ...wanted, onAcknowledged }, notice);
    const { destination } = opened;
    const intake = new Intake({
      destination,
      progress,
      badLines: badLinesOf(command),
      notice,
      waitMs: command.waitMs,
      signal: stop.signal,
    });
    const isComplete = await takeAll(intake, input, progress, stop.signal);
    if (intake.failure) notice(`${intake.failure.message}; what came before it was taken`);
    if (!isComplete) notice(wordsOfStop(command, intake));
    const enough = AbortSignal.any([AbortSignal.timeout(command.waitMs), stop.signal]);
    const [account] = await Promise.all([
      settled(destination, command.waitMs, stop.signal),
      opened.device?.renewed(enough),
    ]);
    return report({ command, intake, isComplete, account, device: opened.device }, output, notice);
  } finally {
    input?.destroy();
    await opened?.close();
    stop.close();
  }
}

/** Until nothing waits any more, or nothing has become of anything for so long: a backlog that goes out is not given up. */
async function settled(destination: Destination, waitMs: number, stop: AbortSignal): Promise<Account> {
  for (let before = gone(await destination.account()); ; ) {
    const over = AbortSignal.timeout(waitMs);
    const account = await destination.settle(AbortSignal.any([over, stop]));
    if (!over.aborted || stop.aborted || waitMs === 0 || gone(account) === before) return account;
    before = gone(account);
  }
}

const gone = ({ acknowledged, refused }: Account) => acknowledged + refused;

/** True: to the end of the input. */
async function takeAll(
  intake: Intake,
  input: Readable,
  progress: Progress | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const lines = new Lines(progress?.bytes, progress?.lines, await progress?.hash());
  const abort = () => input.destroy();
  signal.addEventListener('abort', abort);
  let isComplete = false;
  try {
    isComplete = await takeGroups(intake, lines.of(input), signal);
  } catch (error) {
    if (!signal.aborted) intake.failure = error as Error;
  } finally {
    signal.removeEventListener('abort', abort);
    await progress?.end(isComplete);
  }
  return isComplete;
}

async function takeGroups(intake: Intake, groups: AsyncIterable<LineGroup>, signal: AbortSignal): Promise<boolean> {
  for await (const group of groups) if (!(await intake.take(group)) || signal.aborted) return false;
  return !signal.aborted;
}

/** Where a file was left; undefined for a pipe, which can not be read again. */
async function progressOf(
  { directory, stream, file, resume }: SendCommand,
  notice: (words: string) => void,
): Promise<Progress | undefined> {
  if (!isRegularFile(file)) {
    if (resume === true) throw new PortcullisError('usage', `--resume needs a file; "${file}" can not be read again`);
    return undefined;
  }
  const files = new TakenFiles(directory);
  const taken = resume === false ? undefined : await files.find(stream, file);
  if (taken && resume === true) {
    if (taken.lines > 0) notice(`going on behind line ${taken.lines} of "${file}"`);
    return Progress.resume(files, realSystem, taken, file);
  }
  if (taken && !taken.isComplete) {
    const message = `a send of "${file}" stopped behind line ${taken.lines}; say --resume to go on there, or --no-resume to send all of it anew`;
    throw new PortcullisError('usage', message);
  }
  return Progress.begin(files, realSystem, stream, file);
}

function badLinesOf({ directory, stream, file, skipBad }: SendCommand): BoundedFile | undefined {
  if (!(skipBad ?? !isRegularFile(file))) return undefined;
  return new BoundedFile(join(directory, 'bad-lines', `${stream}.txt`), badLinesBytesMax);
}

function isRegularFile(file: string): boolean {
  return file !== '-' && (statSync(file, { throwIfNoEntry: false })?.isFile() ?? false);
}

async function inputOf(file: string, start: number): Promise<Readable> {
  if (file === '-') return process.stdin;
  const input = createReadStream(file, isRegularFile(file) ? { start, highWaterMark: pieceBytes } : {});
  try {
    await once(input, 'ready');
  } catch (cause) {
    throw new PortcullisError('usage', `couldn't read "${file}": ${(cause as NodeJS.ErrnoException).code}`, { cause });
  }
  return input;
}

function wordsOfStop({ file }: SendCommand, { lines, stoppedByLine }: Intake): string {
  const resumed = '; the same command with --resume goes on behind them';
  const apart = `${resumed}, and with --skip-bad it sets such lines apart`;
  const how = isRegularFile(file) ? (stoppedByLine ? apart : resumed) : '';
  return `took ${counted(lines, 'line')} of ${file === '-' ? 'standard input' : `"${file}"`}${how}`;
}

interface Ending {
  command: SendCommand;
  intake: Intake;
  isComplete: boolean;
  account: Account;
  device: Device | undefined;
}

/** What waits in other streams, and what waited here before, is told and is no failure of this command. */
function report({ command, intake, isComplete, account, device }: Ending, output: Output, notice: Notice) {
  const { sent, skipped, failure, lines } = intake;
  const { acknowledged, refused, kept, mine, lastRefusal } = account;
  const left = sent === 0 ? { kept, refused } : mine;
  const done = isComplete && skipped === 0 && left.kept === 0 && left.refused === 0 && (device?.damaged ?? 0) === 0;
  if (!device && lastRefusal) noticeRefusal(notice, lastRefusal);
  if (kept > 0 && lastRefusal?.reason === 'stream_unknown') {
    notice(`what waits for "${command.stream}" is set apart: portcullis-device outbox drop or retry ${command.stream}`);
  }
  const others = waitingElsewhere(command);
  if (others.length > 0) notice(`waiting in other streams: ${others.join(', ')} (portcullis-device outbox list)`);
  const more = {
    ...(skipped > 0 && { skipped }),
    ...(!isComplete && { taken: lines }),
    ...(!done && lastRefusal && { lastRefusal }),
    ...(failure && { error: failure.message }),
  };
  const words = `sent ${sent}, acknowledged ${acknowledged}, refused ${refused}, kept ${kept}`;
  output.result({ sent, acknowledged, refused, kept, ...more }, skipped > 0 ? `${words}, skipped ${skipped}` : words);
  return done ? 0 : 1;
}

function waitingElsewhere({ directory, stream }: SendCommand): string[] {
  const outboxes = join(directory, 'outbox');
  return streamsIn(outboxes)
    .filter((name) => name !== stream)
    .map((name) => surveyStream(outboxes, name))
    .filter(({ readings }) => readings > 0)
    .map(
      ({ stream: name, readings, state }) =>
        `${readings} in ${name}${state === 'unknown' ? ', which no gate knows' : ''}`,
    );
}
