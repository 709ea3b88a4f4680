import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type KeyAlgorithm, keyAlgorithmOf } from '@portcullis/contract';
import type { FleetConfig } from '../config/config.ts';

/** A full handshake of a device: CPU at the gate, relative to P-256, and what travels in both directions (bench/README.md). */
const costs: Partial<Record<KeyAlgorithm, string>> = {
  'ml-dsa-44': '1.4 times the CPU of p-256, and 24 kB in place of 5',
  'ml-dsa-65': '1.5 times the CPU of p-256, and 32 kB in place of 5',
  'ml-dsa-87': '1.5 times the CPU of p-256, and 43 kB in place of 5',
};

/** What the keys of a fleet's devices cost, where that is more than is usual. */
export function keyCosts(directory: string, { profiles }: Pick<FleetConfig, 'profiles'>): string[] {
  const algorithm = profiles.device?.keys?.[0] ?? ofRoot(join(directory, 'root.pem'));
  const cost = algorithm && costs[algorithm];
  if (cost === undefined) return [];
  return [
    `devices have keys of ${algorithm}: each handshake costs a gate about ${cost}, where its own key is of that too`,
  ];
}

function ofRoot(file: string): KeyAlgorithm | undefined {
  return existsSync(file) ? keyAlgorithmOf(new X509Certificate(readFileSync(file)).publicKey) : undefined;
}
