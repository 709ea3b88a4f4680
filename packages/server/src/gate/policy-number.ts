import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { replaceFile } from './durable-file.ts';
import type { StreamConfig } from './policy.ts';

const Numbered = z.strictObject({ number: z.int().positive(), hash: z.string() });

/**
 * The number of this policy at this gate: that of the last run while the streams are the same, else the next. It is on disk
 * before a row can hold it, so that no number ever means two policies.
 */
export async function numberPolicy(directory: string, streams: Record<string, StreamConfig>): Promise<number> {
  const file = join(directory, 'policy.json');
  const hash = createHash('sha256').update(JSON.stringify(streams)).digest('hex');
  const last = existsSync(file) ? Numbered.parse(JSON.parse(readFileSync(file, 'utf8'))) : { number: 0, hash: '' };
  if (last.hash === hash) return last.number;
  await replaceFile(file, `${JSON.stringify({ number: last.number + 1, hash })}\n`);
  return last.number + 1;
}
