import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { PortcullisError } from '@portcullis/contract';
import { parseLine, type Written } from '../outbox/reading.ts';
import type { Refusal } from '../outbox/sender.ts';
import { Device } from '../sending-device.ts';
import { noticeChanges, type Output, sentenceOf } from './output.ts';

interface SendCommand {
  directory: string;
  stream: string;
  /** A path, or `-` for standard input. */
  file: string;
  /** How long to go on trying once the input has ended, and how long to wait for room in a full outbox. */
  waitMs: number;
}

const lineLengthMax = 1024 * 1024;
const lookMs = 20;

/** Sends JSON lines. What is not acknowledged in time stays in the outbox: the next `send` or `run` goes on with it. */
export async function sendReadings({ directory, stream, file, waitMs }: SendCommand, output: Output): Promise<number> {
  const input = await inputOf(file);
  let lastRefusal: Refusal | undefined;
  const notice = noticeChanges(output);
  const device = await Device.open({
    directory,
    onRefusal: (refusal) => {
      lastRefusal = refusal;
      notice(`refused: ${sentenceOf(refusal)}`);
    },
    onFailure: (error) => notice(`${error.message}; trying again`),
  });
  try {
    const { sent, failure } = await putLines(device, stream, input, waitMs);
    if (failure) output.notice(`portcullis-device: ${failure.message}; what came before it was sent`);
    const enough = AbortSignal.timeout(waitMs);
    await Promise.all([device.drained(enough), device.renewed(enough)]);
    const { acknowledged, refused } = device.counts;
    const summary = { sent, acknowledged, refused, kept: device.kept };
    const done = summary.kept === 0 && refused === 0 && failure === undefined;
    output.result(
      { ...summary, ...(!done && lastRefusal && { lastRefusal }), ...(failure && { error: failure.message }) },
      `sent ${sent}, acknowledged ${acknowledged}, refused ${refused}, kept ${summary.kept}`,
    );
    return done ? 0 : 1;
  } finally {
    await device.close();
  }
}

async function inputOf(file: string): Promise<Readable> {
  if (file === '-') return process.stdin;
  const input = createReadStream(file);
  try {
    await once(input, 'ready');
  } catch (cause) {
    throw new PortcullisError('usage', `couldn't read "${file}": ${(cause as NodeJS.ErrnoException).code}`, { cause });
  }
  return input;
}

/** Puts line after line until the input ends or a line can not be put; says how many were. */
async function putLines(
  device: Device,
  stream: string,
  input: Readable,
  waitMs: number,
): Promise<{ sent: number; failure?: Error }> {
  let before = 0;
  let sent = 0;
  try {
    for await (const texts of linesOf(input)) {
      const { group, failure } = parseGroup(texts, before);
      before += texts.length;
      for await (const count of putGroup(device, stream, group, waitMs)) sent += count;
      if (failure) return { sent, failure };
    }
    return { sent };
  } catch (error) {
    return { sent, failure: error as Error };
  }
}

/** The readings before the first line that is none. */
function parseGroup(texts: string[], before: number): { group: Written[]; failure?: Error } {
  const group: Written[] = [];
  try {
    texts.forEach((text, index) => {
      if (text.trim() !== '') group.push(parseNumbered(text, before + index + 1));
    });
    return { group };
  } catch (error) {
    return { group, failure: error as Error };
  }
}

function parseNumbered(text: string, line: number): Written {
  try {
    return parseLine(text);
  } catch (cause) {
    throw new PortcullisError('usage', `line ${line}: ${(cause as Error).message}`, { cause });
  }
}

/** As they come: many from a file, few from a slow pipe. */
async function* linesOf(input: Readable): AsyncGenerator<string[]> {
  let rest = '';
  for await (const chunk of input.setEncoding('utf8') as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > lineLengthMax) throw new PortcullisError('usage', `a line is longer than ${lineLengthMax}`);
    yield lines;
  }
  yield [rest];
}

/** All of the group become durable together. A full outbox is waited for as long as readings leave it; yields how many got in. */
async function* putGroup(device: Device, stream: string, group: Written[], waitMs: number): AsyncGenerator<number> {
  for (let left = group; left.length > 0; ) {
    const before = gone(device);
    const puts = await Promise.allSettled(left.map((written) => device.put(stream, written)));
    left = left.filter((_, index) => puts[index]?.status === 'rejected');
    yield puts.length - left.length;
    const failed = puts.find((put) => put.status === 'rejected');
    if (!failed) return;
    const full = failed.reason instanceof PortcullisError && failed.reason.code === 'outbox_full';
    if (!full || !(await moreIsGone(device, before, waitMs))) throw failed.reason;
  }
}

const gone = ({ counts }: Device) => counts.acknowledged + counts.refused;

async function moreIsGone(device: Device, before: number, waitMs: number): Promise<boolean> {
  const signal = AbortSignal.timeout(waitMs);
  while (gone(device) === before && !signal.aborted) await pause(lookMs);
  return gone(device) > before;
}
