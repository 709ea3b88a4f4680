import { statSync } from 'node:fs';

/** Changes when the file does. Never throws: what can not be looked at is marked by why. */
export function markOf(file: string): string {
  try {
    const found = statSync(file, { bigint: true });
    return `${found.ino}:${found.size}:${found.mtimeNs}:${found.ctimeNs}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown';
  }
}
