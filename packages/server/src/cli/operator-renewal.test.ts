/** An operator's renewed pair stands in the file once the authority has taken it. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readCredential, realSystem } from '@portcullis/device';
import { openProvingAuthority } from '../../test/proving-authority.ts';
import { renewOperator } from './operator-renewal.ts';

const { enrolled, confirmed, takes } = await openProvingAuthority();

test('what the authority takes not ends nothing: the file stays as it is, and the next command goes on with the same pair', async (context) => {
  const { directory, file, credential } = enrolled(context, 'operator');
  const notices: string[] = [];
  const renewal = () =>
    renewOperator({ directory, file, credential, system: realSystem, notice: (words) => notices.push(words) });
  takes.all = false;
  assert.deepEqual(await renewal(), credential);
  assert.deepEqual([readCredential(file), confirmed], [credential, []]);
  assert.match(notices.join(), /could not be renewed: the renewed certificate was not proven at the authority yet/);
  const next = readCredential(join(directory, 'operator-renewal', 'credential.json'));
  takes.all = true;
  assert.equal((await renewal()).certificate, next.certificate);
  assert.deepEqual(confirmed, [next.certificate]);
  const { certificate, unconfirmed } = readCredential(file);
  assert.deepEqual([certificate, unconfirmed], [next.certificate, undefined]);
  assert.equal(existsSync(join(directory, 'operator-renewal')), false);
});
