import type { Raised } from './promises.ts';

const dayMs = 86_400_000;

/** Two hold what one should, however it is seen: one alert a day for each certificate. */
export function suspectedClone(
  { subject, fingerprint }: { subject: string; fingerprint: string },
  { says, at, ...more }: { says: string; at: number; gate?: string },
): Raised {
  const key = `${fingerprint} ${Math.floor(at / dayMs)}`;
  return { kind: 'clone_suspected', subject, key, at, says: `${subject}: ${says}`, detail: { fingerprint, ...more } };
}
