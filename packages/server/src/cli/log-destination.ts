import type { Writable } from 'node:stream';
import { type LogDestination, logFile, prettyLine } from '../telemetry/telemetry.ts';
import { type Shown, screenOf } from './screen.ts';

/** What `up` and `start` take about their log. */
export interface LogOptions {
  logFile?: string;
}

export const logOption = ['--log-file <file>', 'append the log to this file, as JSON lines'] as const;

/** The log goes to the file that was named; else people get lines that they can read, and programs JSON. */
export function logDestination(
  { logFile: file }: LogOptions,
  { side, json }: { side: Writable & Shown; json: boolean },
): LogDestination | undefined {
  if (file !== undefined) return logFile(file);
  if (side.isTTY !== true || json) return undefined;
  const { colours } = screenOf(side, process.env, false);
  return { write: (line) => void side.write(prettyLine(line, colours)) };
}
