/** A house of real processes, run by the project's own commands, for what stands outside of it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freeBasePort, Running, succeeded } from '../../tools/commands.ts';

/** A fleet whose certificates live minutes: what makes it, and its authority. */
export const shortLived = {
  file: join(import.meta.dirname, 'short-lived-fleet.ts'),
  options: ['--conditions=portcullis-source'],
};

/** What a slow machine may take to start two processes. */
const startMs = 60_000;

export interface House extends AsyncDisposable {
  /** For what a test makes; it goes with the house. */
  directory: string;
  basePort: number;
  portcullis(...words: string[]): Promise<string>;
  token(subject: string): Promise<string>;
  readings(subject: string): Promise<Record<string, unknown>[]>;
}

/** `configure`: what is in its directory before it starts. `words`: what `init` is told beside its ports. */
export async function openHouse(
  configure: (fleet: string) => void = () => undefined,
  ...words: string[]
): Promise<House> {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-house-'));
  const fleet = join(directory, 'fleet');
  const basePort = await freeBasePort();
  const portcullis = (...words: string[]) => succeeded('portcullis', ...words, '--fleet', fleet);
  await succeeded('portcullis', 'init', fleet, '--base-port', String(basePort), ...words);
  configure(fleet);
  const up = new Running('portcullis', 'up', fleet);
  await Promise.all(['authority', 'gate', 'desk'].map((role) => up.line(new RegExp(`^${role} listening`), startMs)));
  return {
    directory,
    basePort,
    portcullis,
    token: (subject) => portcullis('token', 'create', subject),
    readings: async (subject) => {
      const lines = await portcullis('readings', '--subject', subject, '--json');
      return lines === '' ? [] : lines.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
    },
    [Symbol.asyncDispose]: async () => {
      await up.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Why a test is skipped: never where CI says that all must be there. */
export function skippedWithout(present: boolean, what: string): string | false {
  if (present) return false;
  if (process.env.CI === 'true') throw new Error(`${what} must be there under CI=true`);
  return `needs ${what}`;
}
