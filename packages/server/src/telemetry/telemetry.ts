/**
 * The outside world as arguments: time, chance, and where log lines go.
 * Refuses to know: every other room.
 */
export { createLog, type Log, type LogDestination, type LogLevel, logFile } from './log.ts';
export { prettyLine } from './pretty-log.ts';
export { realSystem, type System, timestamp } from './system.ts';
