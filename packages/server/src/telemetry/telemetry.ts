/**
 * The outside world as arguments: time, chance, disk space, where log lines go; which version this is; and the one way in which a
 * small file is written so that a crash leaves the old one or the new one.
 * Refuses to know: every other room.
 */
export { type DiskSpace, diskSpace } from './disk-space.ts';
export { appendTo, createFile, createInPieces, putInPlace, replaceFile, syncDirectory } from './durable-file.ts';
export { Durations } from './durations.ts';
export { goOn, type Pauses } from './go-on.ts';
export { createLog, type Log, type LogDestination, type LogLevel, logFile } from './log.ts';
export { prettyLine } from './pretty-log.ts';
export { SparseLines } from './sparse-lines.ts';
export { realSystem, type System, timestamp } from './system.ts';
export { aTurn, startThread } from './thread.ts';
export { version } from './version.ts';
