import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { Command } from 'commander';
import { configCommands } from './config-check.ts';
import { Output } from './output.ts';

const gateYaml = `authority: https://localhost:8440
url: https://localhost:8443
listen: { port: 8443 }
streams: { cold: { schema: cold.json, expectedFrom: values/../e.ndjson }, warm: { schema: cold.json } }
`;

async function check(context: TestContext, json: boolean, mode = 0o600): Promise<{ out: string; side: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-check-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, 'gate.yaml'), gateYaml);
  writeFileSync(join(directory, 'cold.json'), '{}');
  writeFileSync(join(directory, 'e.ndjson'), '{"subject":"truck-17","seal":"9f3c"}\n');
  chmodSync(join(directory, 'e.ndjson'), mode);
  const [out, side] = [new PassThrough({ encoding: 'utf8' }), new PassThrough({ encoding: 'utf8' })];
  const program = new Command();
  configCommands(program, new Output(out, side, { json }));
  await program.parseAsync(['config', 'check', directory], { from: 'user' });
  return { out: String(out.read() ?? ''), side: String(side.read() ?? '') };
}

test('all files that were read are named', async (context) => {
  const { out, side } = await check(context, false);
  assert.deepEqual([out, side], ['gate.yaml, cold.json and e.ndjson: valid\n', '']);
});

test('and in JSON, with what should be otherwise', async (context) => {
  const { out, side } = await check(context, true, 0o644);
  const { valid, files, warnings } = JSON.parse(out);
  assert.deepEqual([valid, files, warnings.length], [true, ['gate.yaml', 'cold.json', 'e.ndjson'], 1]);
  assert.match(side, /^warning: .*e\.ndjson: group or others may read what is expected/);
});
