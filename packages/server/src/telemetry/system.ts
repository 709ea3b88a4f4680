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

/** RFC 3339 in UTC with milliseconds. */
export function timestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
