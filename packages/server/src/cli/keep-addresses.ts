import { isDeepStrictEqual } from 'node:util';
import type { Addresses } from '@portcullis/contract';
import { readCredential } from '@portcullis/device/client';

/** The authority that leads knows where the others are: with that in an operator's file the next command finds them when this one is gone. */
export async function keepAddresses(file: string, addresses: Addresses | undefined): Promise<void> {
  const { addresses: known, ...held } = readCredential(file);
  if (isDeepStrictEqual(known, addresses)) return;
  const { writeCredential } = await import('@portcullis/device');
  writeCredential(file, { ...held, ...(addresses && { addresses }) });
}
