import type { Writable } from 'node:stream';
import { counted, plain, plainJson, plainLines } from '@portcullis/contract';
import type { Acknowledged, Refusal } from '../outbox/sender.ts';
import { failureJson, failureOf } from './failure.ts';

/** What a command prints: one object with `--json`, words without; what goes on meanwhile goes to standard error. */
export interface Output {
  result(value: Record<string, unknown>, words: string): void;
  notice(words: string): void;
  /** Prints the failure and returns the exit status for it. */
  failure(error: unknown): number;
}

export function outputTo(out: Writable, side: Writable, json: boolean): Output {
  return {
    result: (value, words) => void out.write(json ? `${plainJson(value)}\n` : `${plainLines(words)}\n`),
    notice: (words) => void side.write(`${plainLines(words)}\n`),
    failure(error) {
      const failure = failureOf(error);
      if (json) out.write(`${plainJson(failureJson(failure))}\n`);
      side.write(`portcullis-device: ${plainLines(failure.message)} (${failure.code})\n`);
      return failure.code === 'usage' ? 2 : 1;
    },
  };
}

/** `beside`: what is said with the words, and makes no others of them. */
export type Notice = (words: string, beside?: string) => void;

/** The same words are said once, however often they come. */
export function noticeChanges(output: Output): Notice {
  let last = '';
  return (words, beside = '') => {
    if (words !== last) output.notice(`portcullis-device: ${words}${beside}`);
    last = words;
  };
}

export function noticeRefusal(notice: Notice, refusal: Refusal): void {
  const { traceId } = refusal;
  notice(`refused: ${sentenceOf(refusal)}`, traceId === undefined ? '' : ` (trace ${traceId})`);
}

/** What `--trace` says of readings that a gate acknowledged. */
export function traced(output: Output, { stream, gate, readings, first, last }: Acknowledged): void {
  const ids = readings === 1 ? first : `${first} to ${last}`;
  output.notice(`portcullis-device: ${stream}: ${gate} has ${counted(readings, 'reading')}: ${ids}`);
}

export function sentenceOf({ stream, reason, title, detail, expected, found }: Refusal): string {
  const more = detail === undefined || detail === title ? '' : `: ${detail}`;
  const told = expected === undefined && found === undefined ? '' : ` (${comparisonOf(expected, found)})`;
  return plain(`${stream}: ${reason}: ${title}${more}${told}`);
}

function comparisonOf(expected: unknown, found: unknown): string {
  const parts = [
    ...(expected === undefined ? [] : [`expected ${plainJson(expected)}`]),
    ...(found === undefined ? [] : [`found ${plainJson(found)}`]),
  ];
  return parts.join(', ');
}
