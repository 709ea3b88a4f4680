import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { PortcullisError } from '@portcullis/contract';
import type { Output } from './output.ts';
import type { Refusal } from './sender.ts';
import { Device } from './sending-device.ts';

interface SendCommand {
  directory: string;
  stream: string;
  /** A path, or `-` for standard input. */
  file: string;
  /** How long to go on trying once the input has ended. */
  waitMs: number;
}

/** Sends JSON lines. What is not acknowledged in time stays in the outbox: the next `send` or `run` goes on with it. */
export async function sendReadings({ directory, stream, file, waitMs }: SendCommand, output: Output): Promise<number> {
  let lastRefusal: Refusal | undefined;
  let lastFailure: string | undefined;
  const device = await Device.open({
    directory,
    onRefusal: (refusal) => {
      lastRefusal = refusal;
    },
    onFailure: (error) => {
      if (lastFailure !== error.message) output.notice(`portcullis-device: ${error.message}; trying again`);
      lastFailure = error.message;
    },
  });
  try {
    const sent = await putLines(device, stream, file);
    await device.drained(AbortSignal.timeout(waitMs));
    const { acknowledged, refused } = device.counts;
    const summary = { sent, acknowledged, refused, kept: device.kept };
    const why = lastRefusal && (summary.refused > 0 || summary.kept > 0) ? { lastRefusal } : {};
    const words = `sent ${sent}, acknowledged ${acknowledged}, refused ${refused}, kept ${summary.kept}`;
    output.result(
      { ...summary, ...why },
      why.lastRefusal ? `${words}\nlast refusal: ${sentenceOf(why.lastRefusal)}` : words,
    );
    return summary.kept === 0 && summary.refused === 0 ? 0 : 1;
  } finally {
    await device.close();
  }
}

async function putLines(device: Device, stream: string, file: string): Promise<number> {
  const input = file === '-' ? process.stdin : createReadStream(file);
  let line = 0;
  let sent = 0;
  for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    line++;
    if (text.trim() === '') continue;
    const { _id: id, _time: time, ...data } = objectIn(text, line);
    await device.send(stream, data, { ...given('id', id, line), ...given('time', time, line) });
    sent++;
  }
  return sent;
}

function given(name: 'id' | 'time', value: unknown, line: number): Record<string, string> {
  if (value === undefined) return {};
  if (typeof value === 'string') return { [name]: value };
  throw new PortcullisError('usage', `line ${line}: "_${name}" must be a string`);
}

function objectIn(text: string, line: number): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new PortcullisError('usage', `line ${line} is not JSON; each line must be one JSON object`, { cause });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new PortcullisError('usage', `line ${line} is not a JSON object`);
}

export function sentenceOf({ stream, reason, title, expected, found }: Refusal): string {
  const told = expected === undefined ? '' : ` (expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)})`;
  return `${stream}: ${reason}: ${title}${told}`;
}
