/**
 * Where a gate's readings go.
 * - A write is durable before it resolves, or nothing of it is there; each request in it is stored whole or not at all.
 * - The same (subject, stream, id) is stored once; the same key with other data is told apart (P8).
 * - The edges that rules find in readings are rows of the same commit: both are there, or neither.
 * - A batch is readable only once it was looked at after its commit; a quarantined one never is (rule 9). It is readable as
 *   unproven until it is proven, or for good.
 * Refuses to know: who may send what.
 */

export { whyOf } from './sink/away.ts';
export { openSink, sinkWords } from './sink/open.ts';
export type {
  JudgedBy,
  Looked,
  Page,
  ReadingOrder,
  ReadingPage,
  ReadingQuery,
  RefusalQuery,
  RefusedReading,
  RefusedReadingQuery,
  Sink,
  SinkNewest,
  SinkOutcome,
  SinkRequest,
  SinkWrite,
  UnsettledBatch,
  Untold,
  UntoldEdge,
  Watched,
} from './sink/promises.ts';
export { openSqliteSink } from './sink/sink-sqlite.ts';
export { acceptSpool, requirePlace } from './sink/spool/place.ts';
export { openSpooledSink, type SpoolState } from './sink/spool/spooled-sink.ts';
