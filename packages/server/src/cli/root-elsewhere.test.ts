import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FleetName } from '@portcullis/contract';
import { askRoot } from '../issuance/issuance.ts';
import { fileKeys } from '../keys/keys.ts';
import { answerAt, makeRootDirectory } from './root-directory.ts';
import { carry, requireNew, rootOf, rootWords } from './root-elsewhere.ts';

test('both machines of a rollover show the same hashes, of what is asked and of the root', async (context) => {
  const home = mkdtempSync(join(tmpdir(), 'portcullis-carried-'));
  context.after(() => rmSync(home, { recursive: true, force: true }));
  const at = (name: string) => join(home, name);
  mkdirSync(at('keys'));
  const asking = { keys: fileKeys(at('keys')), fleet: FleetName.parse('fleet-1') };
  const { request } = await askRoot({ ...asking, root: { name: 'fleet-1 root-2' } });
  const told = await carry(at('request.json'), JSON.parse(JSON.stringify(request)));
  await makeRootDirectory(at('root'), request, { algorithm: 'p-256' });
  const there = await answerAt(at('root'), at('request.json'), at('answer.json'));
  assert.equal(there.keys.length, 2);
  for (const { name, sha256 } of there.keys) assert.ok(told.includes(`  ${sha256}  ${name}\n`), told);
  const taken = rootWords(readFileSync(at('answer.json'), 'utf8'));
  assert.equal(rootOf(readFileSync(at('answer.json'), 'utf8')).sha256, there.root.sha256);
  assert.equal(taken.at(-1), `  ${there.root.sha256}  fleet-1 root-2`);
});

test('a request that could not be written is said before a rollover is begun', (context) => {
  const home = mkdtempSync(join(tmpdir(), 'portcullis-carried-'));
  context.after(() => rmSync(home, { recursive: true, force: true }));
  requireNew(join(home, 'request.json'));
  writeFileSync(join(home, 'request.json'), '{}');
  for (const [file, why] of [
    ['request.json', /is there already/],
    ['nowhere/request.json', /can not be written \(ENOENT\)/],
  ] as const) {
    assert.throws(() => requireNew(join(home, file)), { code: 'file_unusable', message: why });
  }
});
