import { join } from 'node:path';
import type { Log } from '../../../telemetry/telemetry.ts';
import type { Disk } from './disk.ts';

/** A record in a segment. */
export interface Place {
  segment: string;
  /** Of its body. */
  at: number;
  length: number;
}

export interface Segment {
  name: string;
  bytes: number;
  /** The highest number in it. */
  last: number;
}

export const segmentForm = /^(\d{16})\.spool$/;
export const nameOf = (number: number) => `${String(number).padStart(16, '0')}.spool`;

/** Moved beside, where nobody but a person looks at it. */
export async function setAside(directory: string, name: string, disk: Disk, log: Log): Promise<void> {
  const aside = join(directory, 'damaged');
  await disk.make(aside);
  const taken = (await disk.names(aside)).length;
  const to = join(aside, `${name}.${taken + 1}`);
  await disk.move(join(directory, name), to);
  await disk.sync(aside);
  await disk.sync(directory);
  log.error(
    { file: to },
    `the spool is damaged: of acknowledged readings in "${to}" those that can be read are stored, the others are lost`,
  );
}

export async function damagedIn(directory: string, disk: Disk): Promise<number> {
  const names = await disk.names(directory);
  return names.includes('damaged') ? (await disk.names(join(directory, 'damaged'))).length : 0;
}
