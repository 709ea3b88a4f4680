import { randomBytes } from 'node:crypto';

/** The outside world as an argument: tests own time and chance by passing their own. */
export interface System {
  /** Wall clock, milliseconds since 1970. */
  now(): number;
  /** Milliseconds from some point, never set back. */
  monotonic(): number;
  random(bytes: number): Buffer;
}

export const realSystem: System = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  random: (bytes) => randomBytes(bytes),
};

/** `setTimeout` fires at once beyond 2^31 ms and does not follow the wall clock: no timer here is set for longer. */
export const timerMsMax = 3_600_000;

/** Between nothing and all of `milliseconds`: full jitter, so that a fleet does not come back in step. */
export function jittered(system: System, milliseconds: number): number {
  return (system.random(4).readUInt32BE() / 2 ** 32) * milliseconds;
}
