import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { StreamName } from '@portcullis/contract';
import { unknownSince } from './apart.ts';
import { Cursor } from './cursor.ts';
import { segmentsIn } from './outbox.ts';
import { lineIn } from './reading.ts';
import { readRecords, recordBytesMax, scanSegment } from './segment.ts';

/** What waits in an outbox, without changing anything there: another process may be at work in it. */
export interface Survey {
  stream: string;
  readings: number;
  bytes: number;
  /** `_time` of the oldest. */
  oldest: string | null;
  /** `unknown`: no gate that was asked has such a stream. */
  state: 'empty' | 'waiting' | 'unknown';
  /** Kept of what was damaged. */
  damagedBytes: number;
}

export function streamsIn(outboxes: string): string[] {
  if (!existsSync(outboxes)) return [];
  return readdirSync(outboxes, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && StreamName.safeParse(entry.name).success)
    .map(({ name }) => name)
    .sort();
}

export function surveyStream(outboxes: string, stream: string): Survey {
  const directory = join(outboxes, stream);
  const damagedBytes = damagedBytesIn(directory);
  const survey: Survey = { stream, readings: 0, bytes: 0, oldest: null, state: 'empty', damagedBytes };
  const { place } = new Cursor(directory);
  const segments = segmentsIn(directory).filter((number) => number >= place.segment);
  for (const number of segments) {
    const file = join(directory, `${String(number).padStart(8, '0')}.log`);
    // One that another process sent and removed meanwhile holds nothing that waits.
    if (existsSync(file)) addSegment(survey, file, number === place.segment ? place.offset : 0);
  }
  if (survey.readings > 0) survey.state = unknownSince(directory) === undefined ? 'waiting' : 'unknown';
  return survey;
}

function addSegment(survey: Survey, file: string, from: number): void {
  const { records, gaps, end } = scanSegment(file, from, true);
  survey.readings += records;
  survey.bytes += records === 0 ? 0 : end - from;
  if (survey.oldest !== null || records === 0) return;
  const [first] = readRecords(file, from, { records: 1, bytes: 2 * recordBytesMax }, gaps).records;
  const { _time } = JSON.parse(lineIn(first?.payload.toString() ?? '{}')) as { _time?: string };
  survey.oldest = _time ?? null;
}

function damagedBytesIn(directory: string): number {
  const damaged = join(directory, 'damaged');
  if (!existsSync(damaged)) return 0;
  // The oldest may go meanwhile.
  const sizeOf = (name: string) => statSync(join(damaged, name), { throwIfNoEntry: false })?.size ?? 0;
  return readdirSync(damaged).reduce((sum, name) => sum + sizeOf(name), 0);
}
