/** An operator's renewed pair stands in the file once the authority has taken it. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readCredential, realSystem } from '@portcullis/device';
import { openProvingAuthority } from '../../test/proving-authority.ts';
import { renewOperator } from './operator-renewal.ts';

const { enrolled, confirmed, lose, takes } = await openProvingAuthority();

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

test('a renewed pair of which the authority has no record any more is asked for anew', async (context) => {
  const { directory, file, credential } = enrolled(context, 'operator');
  const renewal = () => renewOperator({ directory, file, credential, system: realSystem, notice: () => undefined });
  takes.all = false;
  await renewal();
  takes.all = true;
  const lost = readCredential(join(directory, 'operator-renewal', 'credential.json'));
  lose(lost.certificate);
  const next = await renewal();
  assert.ok(![credential.certificate, lost.certificate].includes(next.certificate));
  assert.deepEqual([confirmed.at(-1), readCredential(file).certificate], [next.certificate, next.certificate]);
});

test('what begins later by this clock, which was set back, is renewed by the next command, whoever held the turn meanwhile', async (context) => {
  const renewAfter = new Date(Date.now() + 400 * 86_400_000).toISOString();
  const { directory, file, credential } = enrolled(context, 'operator', { renewAfter });
  const { validFromDate } = new X509Certificate(credential.certificate);
  // By a clock before it begins; OpenSSL goes by the real one.
  const system = { ...realSystem, now: () => validFromDate.getTime() - 86_400_000 };
  mkdirSync(join(directory, 'operator-renewal.turn'));
  const next = await renewOperator({ directory, file, credential, system, notice: () => undefined });
  assert.notEqual(next.certificate, credential.certificate);
  assert.equal(readCredential(file).certificate, next.certificate);
});
