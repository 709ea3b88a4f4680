import { plain } from '@portcullis/contract';

/** Numbers of https://github.com/pinojs/pino/blob/main/docs/api.md#logger-level, and SGR colours (ECMA-48 §8.3.117). */
const levels: Record<number, [name: string, colour: number]> = {
  10: ['trace', 2],
  20: ['debug', 2],
  30: ['info', 0],
  40: ['warn', 33],
  50: ['error', 31],
  60: ['fatal', 31],
};

interface Entry {
  level: number;
  time: string;
  role: string;
  msg?: string;
  err?: { type?: string; message?: string; stack?: string; code?: string };
}

/** A line of the log as people read it on a terminal: always one line, and nothing in it moves the cursor. */
export function prettyLine(json: string, colours: boolean): string {
  const { level, time, role, msg = '', err, ...members } = JSON.parse(json) as Entry & Record<string, unknown>;
  const [name, colour] = levels[level] ?? ['info', 0];
  const shown = name.padEnd(5);
  const coloured = colours && colour > 0 ? `\u001b[${colour}m${shown}\u001b[0m` : shown;
  const facts = Object.entries(members).map(([key, value]) => `${key}=${plain(textOf(value))}`);
  const why = err === undefined ? [] : [plain(errorWords(err))];
  return `${[time.slice(11, 23), coloured, plain(role), [plain(msg), ...why].join(': '), ...facts].join(' ')}\n`;
}

const textOf = (value: unknown) =>
  typeof value === 'string' && /^[\w.:/@-]+$/.test(value) ? value : JSON.stringify(value);

/** Where it happened is of interest for what nobody foresaw; what has a code says enough. */
function errorWords({ message = '', stack = '', code }: NonNullable<Entry['err']>): string {
  const [, where] = /\n\s+at (.*)/.exec(stack) ?? [];
  return code === undefined && where !== undefined ? `${message} (at ${where})` : message;
}
