import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { replaceFile } from '../../telemetry/telemetry.ts';

const Numbered = z.object({ number: z.int().positive(), hash: z.string() });

/**
 * The number of a policy at this gate: that of the last one while what decides is the same, else the next. It is on disk before a
 * row can hold it, so that no number ever means two policies.
 */
export async function numberPolicy(directory: string, digest: string): Promise<number> {
  const file = join(directory, 'policy.json');
  const last = existsSync(file) ? Numbered.parse(JSON.parse(readFileSync(file, 'utf8'))) : { number: 0, hash: '' };
  if (last.hash === digest) return last.number;
  await replaceFile(file, `${JSON.stringify({ number: last.number + 1, hash: digest })}\n`);
  return last.number + 1;
}
