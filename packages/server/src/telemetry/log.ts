import { type DestinationStream, type Logger, pino } from 'pino';

export type Log = Logger;

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** JSON lines on standard error. Members that could carry a secret are never written. */
export function createLog(options: { role: string; level: LogLevel }, destination?: DestinationStream): Log {
  const redact = ['secret', 'token', 'key', '*.secret', '*.token', '*.key', 'err.detail'];
  const settings = {
    base: { role: options.role },
    level: options.level,
    redact,
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  return pino(settings, destination ?? pino.destination({ dest: 2, sync: false }));
}
