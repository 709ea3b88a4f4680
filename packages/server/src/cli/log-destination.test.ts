import assert from 'node:assert/strict';
import { appendFileSync, chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { finished, freeBasePort, Running, succeeded } from '../../../../tools/commands.ts';
import { logDestination } from './log-destination.ts';

const line = '{"level":40,"time":"2026-11-27T05:22:39.451Z","role":"gate","msg":"x"}\n';
const stream = (isTTY: boolean) => Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY });

test('a terminal gets lines for people, unless JSON was asked for; a pipe gets JSON', () => {
  const terminal = stream(true);
  logDestination({}, { side: terminal, json: false })?.write(line);
  assert.match(String(terminal.read()), /^05:22:39\.451 .*warn.* gate x\n$/);
  assert.equal(logDestination({}, { side: terminal, json: true }), undefined);
  assert.equal(logDestination({}, { side: stream(false), json: false }), undefined);
});

test('with --log-file words go to the terminal and the log to the file, for its owner alone', async (context) => {
  const home = mkdtempSync(join(tmpdir(), 'portcullis-log-'));
  context.after(() => rmSync(home, { recursive: true, force: true }));
  const [fleet, file] = [join(home, 'fleet'), join(home, 'fleet.log')];
  await succeeded('portcullis', 'init', fleet, '--base-port', String(await freeBasePort()));
  // A file that others may read is warned of, by the gate.
  writeFileSync(join(fleet, 'expected.ndjson'), '{"subject":"truck-17","seal":"9f3c"}\n');
  chmodSync(join(fleet, 'expected.ndjson'), 0o644);
  appendFileSync(join(fleet, 'gate.yaml'), '    expectedFrom: expected.ndjson\n');
  const up = new Running('portcullis', 'up', fleet, '--log-file', file);
  const said: string[] = [];
  up.onLine((one) => said.push(one));
  await Promise.all(['authority', 'gate', 'desk'].map((role) => up.line(new RegExp(`^${role} listening`), 120_000)));
  await up.stop();
  assert.deepEqual(
    said.filter((one) => !/^(authority|gate|desk) listening on https/.test(one)),
    [],
  );
  const { role, msg } = JSON.parse(readFileSync(file, 'utf8').split('\n')[0] ?? '') as { role: string; msg: string };
  assert.deepEqual([role, /expected\.ndjson: group or others may read/.test(msg)], ['gate', true], msg);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const nowhere = await finished(
    'portcullis',
    'start',
    'gate',
    fleet,
    '--log-file',
    join(home, 'none', 'log'),
    '--json',
  );
  assert.deepEqual([nowhere.status, (JSON.parse(nowhere.out) as { error: string }).error], [1, 'file_unusable']);
});
