import { createHash } from 'node:crypto';
import type { StoredMsg } from '@nats-io/jetstream';
import type { SinkRequest } from '../promises.ts';
import { type LineOf, linesOf } from '../reading-lines.ts';
import type { StoredReading } from '../sink-rows.ts';

export const gateHeader = 'Portcullis-Gate';
export const batchHeader = 'Portcullis-Batch';

/** What would be more than one token, or a wildcard: https://docs.nats.io/nats-concepts/subjects */
const token = (text: string) => encodeURIComponent(text).replaceAll('.', '%2E').replaceAll('*', '%2A');

export const readingSubject = (stream: string | undefined, subject: string | undefined) =>
  `readings.${stream === undefined ? '*' : token(stream)}.${subject === undefined ? '*' : token(subject)}`;

export const stateSubject = (gate: string) => `settled.${token(gate)}`;

/** `after`: the sequence of one with the same key that is gone, or may go. Every gate makes the same of it. */
export function messageId(
  { subject, stream }: Pick<SinkRequest, 'subject' | 'stream'>,
  id: string,
  after?: number,
): string {
  const key = JSON.stringify([subject, stream, id, ...(after === undefined ? [] : [after])]);
  return createHash('sha256').update(key).digest('base64url');
}

/** A reading's line as it is alone: unproven. */
export function linesIn(request: SinkRequest, batch: number, instance: string): (index: number) => string {
  const { subject, certificate, stream, receivedAt, policy, revision, carriedBy, sealed } = request;
  const whose = [subject, certificate, stream, receivedAt, instance, policy, revision] as const;
  const lineOf: LineOf = linesOf([0, batch, ...whose, 'unproven', carriedBy, sealed ? 1 : 0], 0, undefined);
  return (at) =>
    lineOf([
      ...([0, request.ids[at] as string, request.deviceTimes[at] ?? null, request.clocks[at] as string] as const),
      ...([request.data[at] as string, request.runs[at] ?? null, request.sequences[at] ?? null] as const),
    ]).slice(0, -1);
}

/** No text before them holds their quotes unescaped. */
const [unproven, afterGate] = ['"proof":"unproven"', ',"sequence":'];

export function lineAs(line: string, proof: 'proven' | 'unproven', gate: string | undefined): string {
  const named = gate === undefined ? '' : `,"gate":${JSON.stringify(gate)}`;
  return line.replace(unproven, () => `"proof":"${proof}"`).replace(afterGate, () => named + afterGate);
}

export interface Origin {
  gate: string;
  batch: number;
}

/** Undefined: no gate has written it. */
export function originOf(headers: StoredMsg['header'] | undefined): Origin | undefined {
  const [gate, batch] = [headers?.get(gateHeader) ?? '', headers?.get(batchHeader) ?? ''];
  return gate !== '' && /^\d{1,15}$/.test(batch) ? { gate, batch: Number(batch) } : undefined;
}

/** What a repeat of a message is compared with; undefined: it is no reading's. */
export function readingIn(line: string): StoredReading | undefined {
  try {
    const { deviceTime } = JSON.parse(line) as { deviceTime?: unknown };
    const data = line.slice(line.indexOf('"data":') + '"data":'.length, -1);
    return { data, deviceTime: typeof deviceTime === 'string' ? Date.parse(deviceTime) : null };
  } catch {
    return undefined;
  }
}
