import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { patienceMs } from '../../../../../test/patience.ts';
import { alertMessage, within } from '../../../test/alert-message.ts';
import { command } from './command.ts';

function directory(context: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'portcullis-command-'));
  context.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

const shell = (script: string, ...words: string[]) => command(['/bin/sh', '-c', script, 'sh', ...words], 'fleet-1');

test('a program gets the event as one line, its arguments as they are, and no environment of ours', async (context) => {
  const file = join(directory(context), 'out');
  process.env.PORTCULLIS_SECRET = 'x';
  context.after(() => delete process.env.PORTCULLIS_SECRET);
  const told = shell('{ cat; echo "$2"; env; } > "$1"', file, '$(reboot); *');
  await told.tell(alertMessage(), within(patienceMs));
  const [event = '', words, ...environment] = readFileSync(file, 'utf8').split('\n');
  const { id, type } = JSON.parse(event);
  assert.deepEqual([id, type, words], ['message-1', 'portcullis.alert.breach', '$(reboot); *']);
  assert.ok(!environment.some((line) => line.startsWith('PORTCULLIS_')), environment.join(' '));
});

test('a program that does not read and exits 0 was told', async () => {
  await command(['/bin/true'], 'fleet-1').tell(alertMessage({ alerts: [] }), within(patienceMs));
});

const failing: [string, ReturnType<typeof command>, RegExp][] = [
  ['exits with another status', shell('echo "no  pager" >&2; exit 3'), /^"\/bin\/sh" exited with 3: no pager$/],
  ['is ended', shell('kill -9 $$'), /^"\/bin\/sh" was ended by SIGKILL$/],
  ['is not there', command(['/no/such/program'], 'fleet-1'), /ENOENT/],
  ['leaves its standard error to another', shell('sleep 5 & exit 1'), /^"\/bin\/sh" exited with 1$/],
];
for (const [what, told, message] of failing) {
  test(`a program that ${what} was not told`, () =>
    assert.rejects(told.tell(alertMessage(), within(patienceMs)), { message }));
}

test('a program that hangs is ended with what it started', async (context) => {
  const file = join(directory(context), 'late');
  const told = shell('(sleep 1; touch "$1") & wait', file);
  await assert.rejects(told.tell(alertMessage(), within(100)), { name: 'TimeoutError' });
  await pause(1_300);
  assert.ok(!existsSync(file));
});
