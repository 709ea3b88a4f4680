import assert from 'node:assert/strict';
import { type KeyId, keyServerId } from '@portcullis/contract';
import type { Reader } from '../storage/storage.ts';
import type { System } from '../telemetry/telemetry.ts';

/** In place of an issuer's name: with the key id in place of the serial, no two credentials have one. */
export const issuerOfKeys = 'oscore';

const bytesMax = 7;
/** A length is left behind once it is found taken so often: before a small fleet has used all of it. */
const drawsPerLength = 2;

/**
 * One that none had before, as short as the fleet lets it be: each byte is in every datagram of the sensor.
 * It is drawn, so that a restored backup gives one that was given after it as seldom as there are few.
 */
export async function freeKeyId(db: Reader, { random }: Pick<System, 'random'>): Promise<KeyId> {
  for (let length = 1; length <= bytesMax; length++) {
    for (let draw = 0; draw < drawsPerLength; draw++) {
      const drawn = random(length).toString('hex');
      if (drawn !== keyServerId && !(await isTaken(db, drawn))) return drawn as KeyId;
    }
  }
  assert.fail('no key id was free of so many');
}

async function isTaken(db: Reader, keyId: string): Promise<boolean> {
  for (const table of ['certificates', 'archivedCertificates'] as const) {
    const one = db.selectFrom(table).select('serial').where('issuer', '=', issuerOfKeys).where('serial', '=', keyId);
    if (await one.executeTakeFirst()) return true;
  }
  return false;
}
