/** What holds for every command of `portcullis-device`: wrong words, a directory that can not be used, and the options that stand anywhere. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { temporaryDirectory } from '../../test/certificates.ts';
import { main } from '../main.ts';

const program = join(import.meta.dirname, '../../bin/portcullis-device.js');

async function run(...words: string[]): Promise<{ status: number; out: string; side: string }> {
  const [out, side] = [new PassThrough({ encoding: 'utf8' }), new PassThrough({ encoding: 'utf8' })];
  const status = await main(words, out, side);
  return { status, out: String(out.read() ?? ''), side: String(side.read() ?? '') };
}

const commands = [
  ['enrol', 'x'],
  ['send', 'telemetry', '/dev/null'],
  ['run'],
  ['export', join(temporaryDirectory(), 'out')],
];

for (const words of commands) {
  test(`"${words[0]}" with an unknown option is wrong usage, in words and as JSON`, async () => {
    const { status, out, side } = await run('--json', ...words, '--no-such-option');
    assert.equal(status, 2);
    const { error, title } = JSON.parse(out) as { error: string; title: string };
    assert.deepEqual([error, title], ['usage', 'wrong usage']);
    assert.match(side, /^portcullis-device: unknown option '--no-such-option'.*\(usage\)\n$/);
  });

  test(`"${words[0]}" where a file is in the way names it, and is no error of ours`, async () => {
    const file = join(temporaryDirectory(), 'file');
    writeFileSync(file, '');
    const { status, out, side } = await run(...words, '--json', '--device', join(file, 'device'));
    assert.equal(status, 1, side);
    const { error, message } = JSON.parse(out) as { error: string; message: string };
    assert.notEqual(error, 'internal');
    if (words[0] !== 'enrol') assert.ok(message.includes(file), message);
  });
}

test('the version is told wherever the option stands', async () => {
  assert.match((await run('--version')).out, /^\d+\.\d+\.\d+\n$/);
  assert.match((await run('send', '--version', '--json')).out, /^\{"version":"\d+\.\d+\.\d+"\}\n$/);
});

test('PORTCULLIS_DEVICE names the directory, and --device names it before that', async () => {
  const environment = { ...process.env, PORTCULLIS_DEVICE: '/nonexistent/named' };
  const said = (...words: string[]) =>
    promisify(execFile)(process.execPath, [program, 'export', '/nonexistent/out', ...words], { env: environment }).then(
      () => assert.fail('there is no credential'),
      ({ stderr }: { stderr: string }) => stderr,
    );
  assert.match(await said(), /\/nonexistent\/named/);
  assert.match(await said('--device', '/nonexistent/other'), /\/nonexistent\/other/);
});
