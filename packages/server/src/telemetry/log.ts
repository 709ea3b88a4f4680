import { openSync } from 'node:fs';
import { type DestinationStream, type Logger, pino } from 'pino';

export type Log = Logger;

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export type LogDestination = DestinationStream;

/** JSON lines on standard error, or where else they are wanted. Members that could carry a secret are never written. */
export function createLog(options: { role: string; level: LogLevel }, destination?: LogDestination): Log {
  const redact = ['secret', 'token', 'key', '*.secret', '*.token', '*.key', 'err.detail'];
  const settings = {
    base: { role: options.role },
    level: options.level,
    redact,
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  return pino(settings, destination ?? pino.destination({ dest: 2, sync: false }));
}

/** A file that is appended to: a program that rotates it copies and truncates. @throws what the system says of the path */
export function logFile(file: string): LogDestination {
  return pino.destination({ dest: openSync(file, 'a', 0o600), sync: false });
}
