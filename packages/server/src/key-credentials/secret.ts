import type { System } from '../telemetry/telemetry.ts';

/** RFC 8613 §3.2: what both ends hold. */
export interface Shared {
  masterSecret: Buffer;
  masterSalt: Buffer;
}

const [secretBytes, saltBytes] = [16, 8];

export function makeShared({ random }: Pick<System, 'random'>): Shared {
  return { masterSecret: random(secretBytes), masterSalt: random(saltBytes) };
}

/** As it is sealed: one after the other. */
export const sharedBytes = ({ masterSecret, masterSalt }: Shared) => Buffer.concat([masterSecret, masterSalt]);

export function readShared(bytes: Buffer): Shared {
  return { masterSecret: bytes.subarray(0, secretBytes), masterSalt: bytes.subarray(secretBytes) };
}
