import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { counted, PortcullisError } from '@portcullis/contract';
import { z } from 'zod';
import { replaceFile } from '../../../telemetry/telemetry.ts';
import { realDisk } from './disk.ts';
import { scan } from './frames.ts';
import { progressIn } from './progress.ts';
import { segmentForm } from './segment-files.ts';
import type { SpoolRecord } from './spool.ts';

/** Where a process of a gate has its spool. */
export const spoolIn = (directory: string) => join(directory, 'spool');

/** Whose readings these are, and where they belong. */
const Place = z.strictObject({
  version: z.literal(1),
  /** In words, without anything secret. */
  sink: z.string(),
  gate: z.string(),
  /** An operator sent what is there to another sink: what it says of batches was of the one before. */
  moved: z.boolean().optional(),
  /** Up to this record. */
  movedUpTo: z.int().nonnegative().optional(),
});
export type Place = z.infer<typeof Place>;
export type Owner = Pick<Place, 'sink' | 'gate'>;

const fileIn = (directory: string) => join(spoolIn(directory), 'place.json');

function placeIn(directory: string): Place | undefined {
  const file = fileIn(directory);
  if (!existsSync(file)) return undefined;
  try {
    return Place.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    const words = `"${file}" does not say whose readings lie there; move the directory away, and look what it holds`;
    throw new PortcullisError('store_damaged', words, { cause });
  }
}

export const writePlace = (directory: string, place: Omit<Place, 'version'>) =>
  replaceFile(fileIn(directory), `${JSON.stringify({ version: 1, ...place })}\n`);

/** Acknowledged readings that are nowhere else. */
export async function readingsIn(directory: string): Promise<number> {
  const spool = spoolIn(directory);
  if (!existsSync(spool)) return 0;
  const { drained } = await progressIn(spool, realDisk);
  let readings = 0;
  for (const name of await realDisk.names(spool)) {
    if (!segmentForm.test(name.replace(/\.whole$/, ''))) continue;
    const bytes = await realDisk.read(join(spool, name));
    for (const { number, at, length } of scan(bytes).frames) {
      if (number <= drained) continue;
      const { requests } = JSON.parse(bytes.toString('utf8', at, at + length)) as SpoolRecord;
      readings += requests.reduce((total, { ids }) => total + ids.length, 0);
    }
  }
  return readings;
}

/**
 * Before a sink is opened: readings that were acknowledged go where their acknowledgement said. `owner`: undefined where the gate has no spool.
 * @throws {PortcullisError} `config_invalid`, `store_damaged`
 */
export async function requirePlace(directory: string, owner: Owner | undefined): Promise<Place | undefined> {
  const place = placeIn(directory);
  const isOwn = owner !== undefined && place?.sink === owner.sink && place.gate === owner.gate;
  if (place === undefined || isOwn) return place;
  const readings = await readingsIn(directory);
  // What may be left are words about batches of the other sink.
  if (readings === 0) return { ...place, moved: true };
  const holds = `"${spoolIn(directory)}" holds ${counted(readings, 'acknowledged reading')} of "${place.gate}" on the way to ${place.sink}`;
  const words =
    owner === undefined
      ? `${holds}: leave "spool" and "sink" in gate.yaml until they are there`
      : `${holds}, and now it would be "${owner.gate}" and ${owner.sink}: put that back until they are there, or send them to the new sink with "portcullis gate accept-spool"`;
  throw new PortcullisError('config_invalid', words);
}

/** An operator's word: what is there goes to the sink that the configuration names now. Undefined: nothing is to be accepted. */
export async function acceptSpool(
  directory: string,
  owner: Owner,
): Promise<{ readings: number; from: string } | undefined> {
  const place = placeIn(directory);
  if (!place || (place.sink === owner.sink && place.gate === owner.gate)) return undefined;
  const readings = await readingsIn(directory);
  if (readings === 0) return undefined;
  await writePlace(directory, { ...owner, moved: true });
  return { readings, from: place.sink };
}
