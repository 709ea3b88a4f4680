import type { Writable } from 'node:stream';
import { PortcullisError } from '@portcullis/contract';
import type { Refusal } from '../outbox/sender.ts';

/** What a command prints: one object with `--json`, words without; what goes on meanwhile goes to standard error. */
export interface Output {
  result(value: Record<string, unknown>, words: string): void;
  notice(words: string): void;
  /** Prints the failure and returns the exit status for it. */
  failure(error: unknown): number;
}

export function outputTo(out: Writable, side: Writable, json: boolean): Output {
  return {
    result: (value, words) => void out.write(json ? `${JSON.stringify(value)}\n` : `${words}\n`),
    notice: (words) => void side.write(`${words}\n`),
    failure(error) {
      const code = error instanceof PortcullisError ? error.code : 'internal';
      const message = (error as Error).message;
      if (json) out.write(`${JSON.stringify({ error: code, message })}\n`);
      side.write(`portcullis-device: ${message} (${code})\n`);
      return code === 'usage' ? 2 : 1;
    },
  };
}

/** The same words are said once, however often they come. */
export function noticeChanges(output: Output): (words: string) => void {
  let last = '';
  return (words) => {
    if (words !== last) output.notice(`portcullis-device: ${words}`);
    last = words;
  };
}

export function sentenceOf({ stream, reason, title, detail, expected, found }: Refusal): string {
  const more = detail === undefined || detail === title ? '' : `: ${detail}`;
  const told = expected === undefined && found === undefined ? '' : ` (${comparisonOf(expected, found)})`;
  return `${stream}: ${reason}: ${title}${more}${told}`;
}

function comparisonOf(expected: unknown, found: unknown): string {
  const parts = [
    ...(expected === undefined ? [] : [`expected ${JSON.stringify(expected)}`]),
    ...(found === undefined ? [] : [`found ${JSON.stringify(found)}`]),
  ];
  return parts.join(', ');
}
