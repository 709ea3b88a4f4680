import { sealBounds } from '@portcullis/contract';
import type { ReadSeal } from '@portcullis/device/seal';
import type { Refused } from '../../admission/admit.ts';
import { parseReadings, type Readings } from '../readings.ts';

/**
 * The readings in a seal that its signer signed. What its header says of the first goes on for the others: their numbers grow, and the run
 * is the same. One without an id has its run and number as one: the same seal brought again is a repeat.
 */
export function sealedReadings({ message: { payload }, members }: ReadSeal): Readings | Refused {
  const readings = parseReadings(payload, 'application/x-ndjson', () => '');
  if ('reason' in readings) return readings;
  const { ids, given, deviceTimes, sequences, runs } = readings;
  if (ids.length > sealBounds.readingsPerSealMax) return tooMany(ids.length);
  let last = members.seq - 1;
  for (let index = 0; index < ids.length; index++) {
    const number = sequences[index] ?? last + 1;
    const isNext = index === 0 ? number === members.seq : number > last && number <= Number.MAX_SAFE_INTEGER;
    if (!isNext || (runs[index] ?? members.run) !== members.run) return otherNumber(index + 1);
    [sequences[index], runs[index], last] = [number, members.run, number];
    if (!given[index]) [ids[index], given[index]] = [`${members.run}:${number}`, true];
  }
  deviceTimes[0] ??= members.time;
  return readings;
}

function tooMany(count: number): Refused {
  const detail = `the seal holds ${count} readings; at most ${sealBounds.readingsPerSealMax} are allowed`;
  return { reason: 'reading_too_large', detail };
}

const otherNumber = (line: number): Refused => ({
  ...{ reason: 'seal_malformed', line },
  detail: 'a reading in it says another run or number than the header counts it with',
});
