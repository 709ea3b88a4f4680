/** `npm run demo -- NAME`: each story tells itself to its end. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { patienceMs } from '../patience.ts';
import { skippedWithout } from './house.ts';

const root = join(import.meta.dirname, '../..');
const isThere = (program: string) => spawnSync(program, ['--version']).status === 0;
const monitoring = skippedWithout(
  isThere('prometheus') && isThere('prometheus-alertmanager'),
  'prometheus, prometheus-alertmanager',
);

const cryptography = skippedWithout(
  spawnSync('/usr/bin/python3', ['-c', 'import cryptography']).status === 0,
  'Python 3 with cryptography (Debian: python3-cryptography)',
);

/** What each says last but one, beside that every step was seen. */
const stories: [name: string, skip: string | false, end: RegExp][] = [
  ['cut', false, /all \d+ readings are stored, each once/],
  ['alert', monitoring, /the hold is lifted without a human: admitted again/],
  ['lane', false, /what load-2 went through is drawn/],
  ['scan', cryptography, /check.py: box-1 stopped/],
];

for (const [name, skip, end] of stories) {
  test(`npm run demo -- ${name} sees every step`, { skip, timeout: 4 * patienceMs }, () => {
    const words = ['--conditions=portcullis-source', join(root, 'tools/demo/demo.ts'), name];
    const { status, stdout, stderr } = spawnSync(process.execPath, words, { cwd: root, encoding: 'utf8' });
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, end);
    assert.match(stdout.trimEnd(), /every step was seen$/);
  });
}
