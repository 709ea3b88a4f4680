import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after } from 'node:test';

const program = join(import.meta.dirname, '../bin/portcullis-device.js');

/** `portcullis-device` as a process, with what it says; `told` is that of `--json`. It ends with the test file. */
export function start(...words: string[]) {
  const child = spawn(process.execPath, ['--no-warnings', program, ...words]);
  after(() => child.kill('SIGKILL'));
  const said = { out: '', side: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    said.out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    said.side += chunk.toString();
  });
  const ended = once(child, 'close').then(([status]) => ({
    status: status as number,
    ...said,
    told: (said.out.startsWith('{') ? JSON.parse(said.out) : {}) as Record<string, unknown>,
  }));
  return { child, said, ended };
}
