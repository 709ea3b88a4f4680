/** `gate join` into the directory of a gate: the way back when its credential is lost or over, and nothing by accident. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { credentialFileIn, readCredential, writeCredential } from '@portcullis/device';
import { type Finished, finished, succeeded } from '../../../../../tools/commands.ts';
import { House } from '../../house.ts';

let house: House;
let home: string;
before(async () => {
  house = await House.open();
  home = join(house.fleet, 'gate');
});
after(() => house?.close());

async function token(subject: string, kind = 'gate'): Promise<string> {
  const [created] = await house.json<{ token: string }>('token', 'create', subject, '--kind', kind);
  return created?.token ?? '';
}

const join_ = (...words: string[]): Promise<Finished> => finished('portcullis', 'gate', 'join', house.fleet, ...words);
const credential = () => readCredential(credentialFileIn(home));

test('a gate that runs keeps its credential; one that has a valid one keeps it too, unless it is said', async () => {
  const first = credential();
  const another = await token('gate-1');
  const running = await join_(another, '--replace');
  assert.equal(running.status, 1);
  assert.match(running.error, new RegExp(`another process \\(${house.gate?.process.pid}\\) holds .*store_locked`));
  await house.gate?.stop();
  const valid = await join_(another);
  assert.equal(valid.status, 1);
  assert.match(valid.error, /already holds the gate gate-1 .* --replace gives it a new one \(fleet_exists\)/);
  assert.deepEqual(credential(), first);
  const policy = readFileSync(join(house.fleet, 'gate.yaml'), 'utf8');
  const replaced = await join_(another, '--replace');
  assert.equal(replaced.status, 0, replaced.error);
  assert.notEqual(credential().certificate, first.certificate);
  assert.equal(readFileSync(join(house.fleet, 'gate.yaml'), 'utf8'), policy);
  assert.equal(existsSync(join(home, 'joining')), false);
});

test('the token of another gate, and one of another kind, leave what is there', async () => {
  const before = credential();
  const other = await join_(await token('gate-2'), '--replace');
  assert.equal(other.status, 1);
  assert.match(other.error, /holds the gate gate-1, the token is for gate-2; choose another directory/);
  const renamed = await join_(await token('gate-1'), '--port', '1');
  assert.equal(renamed.status, 2);
  assert.match(renamed.error, /what --port would say stands in its gate\.yaml/);
  rmSync(credentialFileIn(home));
  const kind = await join_(await token('truck-1', 'device'));
  assert.equal(kind.status, 2);
  assert.match(kind.error, /the token is for a device; make one with --kind gate/);
  assert.deepEqual([existsSync(credentialFileIn(home)), existsSync(join(home, 'joining'))], [false, false]);
  writeCredential(credentialFileIn(home), before);
});

for (const [what, spoil] of [
  ['lost', (file: string) => rmSync(file)],
  ['damaged', (file: string) => writeFileSync(file, '{', { mode: 0o600 })],
  ['over', (file: string) => writeCredential(file, { ...readCredential(file), notAfter: '2020-01-01T00:00:00.000Z' })],
] as const) {
  test(`a credential that is ${what} is replaced without further words, and the gate runs with it`, async () => {
    spoil(credentialFileIn(home));
    const file = join(house.home, 'token');
    writeFileSync(file, await token('gate-1'));
    await succeeded('portcullis', 'gate', 'join', house.fleet, `@${file}`);
    await house.startGate();
    await house.gate?.stop();
  });
}
