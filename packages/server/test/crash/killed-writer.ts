import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Lets the program of this folder write until it has said so many requests, kills it, and returns all that it said. */
export async function writeUntilKilled(
  name: string,
  directory: string,
  first: number,
  saidMin: number,
): Promise<number[]> {
  const program = fileURLToPath(new URL(name, import.meta.url));
  const options = ['--conditions=portcullis-source', program, directory, String(first)];
  const child = spawn(process.execPath, options, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = once(child, 'exit');
  const said: number[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(Number(line));
    if (said.length === saidMin) child.kill('SIGKILL');
  }
  assert.deepEqual(await exit, [null, 'SIGKILL']);
  return said;
}
