/**
 * The outside world as arguments: time, chance, disk space, where log lines go; and which version this is.
 * Refuses to know: every other room.
 */
export { type DiskSpace, diskSpace } from './disk-space.ts';
export { createLog, type Log, type LogDestination, type LogLevel, logFile } from './log.ts';
export { prettyLine } from './pretty-log.ts';
export { realSystem, type System, timestamp } from './system.ts';
export { version } from './version.ts';
