import { join } from 'node:path';
import type { Log } from '../../../telemetry/telemetry.ts';
import type { Disk } from './disk.ts';
import { type Frame, framed, headBytes, headOf, type Scanned, scan } from './frames.ts';
import { type Place, type Segment, segmentForm, setAside } from './segment-files.ts';
import type { SegmentsParts } from './segments.ts';

export interface FoundRecord extends Place {
  number: number;
  body: Buffer;
}

interface Found {
  segments: Segment[];
  /** The highest number that was ever given. */
  last: number;
}

/** What is whole of a damaged segment, before it takes its place. */
const salvaged = (name: string) => `${name}.whole`;

/**
 * What a process that ended left. A record that was not written to its end was acknowledged to nobody, and is cut off. Where anything else is not as
 * it was written, the file is moved aside, and what is whole of it goes on in its place.
 */
export async function openSegments(parts: SegmentsParts): Promise<Found> {
  const { directory, after, disk } = parts;
  await disk.make(directory);
  await finishSalvages(directory, disk);
  const names = (await disk.names(directory)).filter((name) => segmentForm.test(name)).toSorted();
  const found: Found = { segments: [], last: after };
  for (const [index, name] of names.entries()) {
    const next = names[index + 1];
    // All of its records are done with: a removal was interrupted.
    if (next !== undefined && firstOf(next) <= after + 1) await disk.remove(join(directory, name));
    else await openOne(name, next === undefined, found, parts);
  }
  return found;
}

async function openOne(name: string, isLast: boolean, found: Found, parts: SegmentsParts): Promise<void> {
  const { directory, after, disk, log, onRecord } = parts;
  const file = join(directory, name);
  let bytes = await disk.read(file);
  // It was made, and nothing was written to it.
  if (bytes.length <= headBytes) return disk.remove(file);
  let scanned = scan(bytes);
  if (scanned.isDamaged || scanned.tail === 'damaged' || (scanned.tail === 'short' && !isLast)) {
    bytes = await salvage(name, bytes, scanned.frames, parts);
    scanned = scan(bytes);
  } else if (scanned.tail === 'short') {
    await cutOff(file, bytes, scanned, disk, log);
  }
  const { frames, end } = scanned;
  const last = frames.at(-1)?.number ?? 0;
  if (last <= after) return disk.remove(file);
  if (frames[0] && frames[0].number > found.last + 1)
    log.warn(
      { file, after: found.last },
      'the spool goes on behind records that are not there: failed writes, or a file that was removed',
    );
  found.last = last;
  found.segments.push({ name, bytes: end, last });
  for (const { number, at, length } of frames)
    if (number > after) onRecord({ number, segment: name, at, length, body: bytes.subarray(at, at + length) });
}

async function cutOff(file: string, bytes: Buffer, { end }: Scanned, disk: Disk, log: Log): Promise<void> {
  log.warn(
    { file, bytes: bytes.length - end },
    'the spool ends with the first part of a record that nobody was acknowledged: it is cut off',
  );
  const opened = await disk.open(file);
  try {
    await opened.cut(end);
  } finally {
    await opened.close();
  }
}

/** A crash before the second step leaves a file that is made again; one before the third a file that takes its place at the next start. */
async function salvage(
  name: string,
  bytes: Buffer,
  frames: readonly Frame[],
  { directory, disk, log }: SegmentsParts,
): Promise<Buffer> {
  const [file, whole] = [join(directory, name), join(directory, salvaged(name))];
  const parts = frames.map(({ number, at, length }) => framed(number, bytes.subarray(at, at + length)));
  const kept = Buffer.concat([headOf(), ...parts]);
  await disk.remove(whole).catch(() => undefined);
  await (await disk.create(whole, kept)).close();
  await disk.sync(directory);
  await setAside(directory, name, disk, log);
  await disk.move(whole, file);
  await disk.sync(directory);
  return kept;
}

async function finishSalvages(directory: string, disk: Disk): Promise<void> {
  const names = await disk.names(directory);
  for (const name of names.filter((one) => segmentForm.test(one.replace(/\.whole$/, '')) && one.endsWith('.whole'))) {
    const place = name.slice(0, -'.whole'.length);
    if (names.includes(place)) await disk.remove(join(directory, name));
    else await disk.move(join(directory, name), join(directory, place));
  }
  await disk.sync(directory);
}

const firstOf = (name: string) => Number(segmentForm.exec(name)?.[1]);
