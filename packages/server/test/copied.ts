import { cpSync, rmSync } from 'node:fs';

const triesMax = 20;

/** A directory that processes use meanwhile: where a file is renamed while it is copied, all of it is copied anew. */
export function copyWhileUsed(from: string, to: string): void {
  for (let tries = 1; ; tries++) {
    try {
      return cpSync(from, to, { recursive: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries === triesMax) throw error;
      rmSync(to, { recursive: true, force: true });
    }
  }
}
