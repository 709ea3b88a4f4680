/** The certificates of operators and gates come to their end: each is renewed in time by whoever holds it, and what is over says so. */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Credential, credentialFileIn, Link, readCredential, writeCredential } from '@portcullis/device';
import { finished, Running } from '../../../../../tools/commands.ts';
import { House } from '../../house.ts';

const long = '2020-01-01T00:00:00.000Z';
const soon = () => new Date(Date.now() + 10 * 86_400_000).toISOString();
let house: House;
let operatorFile: string;
let gateFile: string;

before(async () => {
  house = await House.open();
  operatorFile = join(house.fleet, 'operator.json');
  gateFile = credentialFileIn(join(house.fleet, 'gate'));
});
after(() => house?.close());

/** The file says so; the certificate in it is what it was. */
function say(file: string, told: Partial<Credential>): Credential {
  const credential = readCredential(file);
  writeCredential(file, { ...credential, ...told });
  return credential;
}

for (const [words, name, told] of [
  ['due', 'anna', { renewAfter: long }],
  ['over', 'bert', { renewAfter: long, notAfter: long }],
] as const) {
  test(`an operator's credential that is ${words} is renewed by the command that finds it, and the one before it is no longer good`, async () => {
    assert.equal((await house.portcullis('operator', 'add', name)).status, 0);
    const home = join(house.fleet, 'operators', name);
    const file = join(home, 'operator.json');
    const ask = () => finished('portcullis', 'subject', 'list', '--fleet', home);
    const held = say(file, told);
    const kept = join(house.home, `kept-${words}`);
    mkdirSync(kept, { mode: 0o700 });
    writeCredential(join(kept, 'operator.json'), held);
    const first = await ask();
    assert.equal(first.status, 0, first.error);
    assert.match(first.error, /^the credential of \w+ was renewed until \S+; what was exported of the one before it/m);
    const next = readCredential(file);
    assert.notEqual(next.certificate, held.certificate);
    assert.equal(next.unconfirmed, undefined);
    assert.ok(Date.parse(next.renewAfter) > Date.now());
    assert.deepEqual(
      ['operator-renewal', 'operator-renewal.turn'].filter((left) => existsSync(join(home, left))),
      [],
    );
    const second = await ask();
    assert.deepEqual([second.status, second.error], [0, '']);
    const before = await finished('portcullis', 'subject', 'list', '--fleet', kept);
    assert.equal(before.status, 1);
    assert.match(before.error, /not_authenticated/);
  });
}

test('while another command renews it, and where a crash left it unconfirmed, commands go on', async () => {
  const turn = join(house.fleet, 'operator-renewal.turn');
  mkdirSync(turn);
  say(operatorFile, { renewAfter: long });
  const held = readCredential(operatorFile);
  assert.equal((await house.portcullis('subject', 'list')).status, 0);
  assert.deepEqual(readCredential(operatorFile), held);
  const { rmdirSync } = await import('node:fs');
  rmdirSync(turn);
  say(operatorFile, { unconfirmed: true, renewAfter: soon() });
  assert.equal((await house.portcullis('subject', 'list')).status, 0);
  assert.equal(readCredential(operatorFile).unconfirmed, undefined);
});

test('what keeps it from being renewed is told in its last month, and not before', async () => {
  const held = readCredential(operatorFile);
  say(operatorFile, { renewAfter: long, enrolment: 'https://localhost:1' });
  const early = await house.portcullis('subject', 'list');
  assert.deepEqual([early.status, early.error], [0, '']);
  say(operatorFile, { notAfter: soon() });
  const late = await house.portcullis('subject', 'list');
  assert.equal(late.status, 0);
  assert.match(late.error, /^the credential of operator-1 ends \S+, and could not be renewed: .*localhost:1/m);
  writeCredential(operatorFile, held);
});

test('a connection that is ended says that the certificate of this side has expired', async () => {
  const { roots, fleet, authority = '', ...credential } = readCredential(operatorFile);
  const url = authority.replace(/\d+$/, '1');
  for (const [notAfter, expected] of [
    [long, /; the certificate of this side expired 2020-01-01T00:00:00.000Z$/],
    [soon(), /^(?!.*expired)/],
  ] as const) {
    const link = new Link({ roots, fleet, role: 'authority', credential: { ...credential, notAfter } });
    await assert.rejects(link.request({ url }), { code: 'server_unreachable', message: expected });
    link.close();
  }
});

test('a gate whose certificate was over while it was stopped renews it before anything else', async () => {
  await house.gate?.stop();
  const held = say(gateFile, { renewAfter: long, notAfter: long });
  await house.startGate();
  const next = readCredential(gateFile);
  assert.notEqual(next.certificate, held.certificate);
  assert.ok(Date.parse(next.notAfter) > Date.now());
});

test('one that can not be renewed any more ends, and says how to come back', async () => {
  await house.gate?.stop();
  const kept = join(house.home, 'kept-gate.json');
  copyFileSync(gateFile, kept);
  assert.equal((await house.portcullis('certificate', 'revoke', 'gate-1', '--reason', 'lost')).status, 0);
  say(gateFile, { renewAfter: long, notAfter: long });
  const gate = new Running('portcullis', 'start', 'gate', house.fleet);
  const status = await new Promise((resolve) => gate.process.once('exit', resolve));
  assert.equal(status, 1);
  await gate.line(
    /the certificate of gate-1 expired 2020-01-01.* the way back: "portcullis token create gate-1 --kind gate"/,
  );
});
