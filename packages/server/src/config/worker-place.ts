import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Where a process of a gate keeps what is its own: the first one where a gate of one process does. */
export const workerDirectory = (home: string, number: number) => (number === 1 ? home : join(home, `worker-${number}`));

/** The further processes, from 2, that have kept something there. */
export function furtherWorkersIn(home: string): number[] {
  const numbers = readdirSync(home).map((name) => Number(/^worker-(\d{1,2})$/.exec(name)?.[1] ?? 0));
  return numbers.filter((number) => number > 1).toSorted((one, other) => one - other);
}
