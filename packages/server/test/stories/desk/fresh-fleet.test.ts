/** A fleet as `init` makes it: its desk lies there, `up` runs it beside authority and gate, and tokens name it. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type DeskView, parseToken } from '@portcullis/contract';
import { credentialFileIn, enrol, readCredential } from '@portcullis/device';
import { patienceMs } from '../../../../../test/patience.ts';
import { finished, freeBasePort, Running, succeeded } from '../../../../../tools/commands.ts';
import { eventually } from '../../house.ts';

const home = mkdtempSync(join(tmpdir(), 'portcullis-fresh-'));
const fleet = join(home, 'fleet');
let base: number;
let up: Running;
before(async () => {
  base = await freeBasePort();
  await succeeded('portcullis', 'init', fleet, '--base-port', String(base));
  up = new Running('portcullis', 'up', fleet);
  await Promise.all(['authority', 'gate', 'desk'].map((role) => up.line(new RegExp(`^${role} listening`), patienceMs)));
});
after(async () => {
  await up?.stop();
  rmSync(home, { recursive: true, force: true });
});

const list = async <T>(...words: string[]) =>
  (await succeeded('portcullis', ...words, '--json', '--fleet', fleet))
    .split('\n')
    .map((line) => JSON.parse(line) as T);

test("the desk has a credential of its own, in a directory of its own, and no issuer's key", () => {
  const own = join(fleet, 'desk');
  const { kind, subject, enrolment } = readCredential(credentialFileIn(own));
  assert.deepEqual([kind, subject, enrolment], ['desk', 'desk-1', `https://localhost:${base + 8}`]);
  assert.deepEqual(
    // The key for public answers is made a moment after the start, and what the authority told is kept then too.
    readdirSync(own).filter((name) => !/^(desk\.lock|publication\.json|position\.json)/.test(name)),
    ['credential.json'],
  );
  assert.equal(statSync(own).mode & 0o777, 0o700);
});

test('a token names the desk, and a device enrols and sends by it', async () => {
  const token = await succeeded('portcullis', 'token', 'create', 'truck-17', '--fleet', fleet);
  const directory = join(home, 'truck-17');
  assert.equal(parseToken(token).url, `https://localhost:${base + 1}`);
  assert.equal((await enrol({ token, directory })).enrolment, `https://localhost:${base + 1}`);
  const sent = join(home, 'one.ndjson');
  writeFileSync(sent, '{"n":1}\n');
  await succeeded('portcullis-device', 'send', 'telemetry', sent, '--device', directory, '--wait', '60');
  const relayed = async () => ((await list<DeskView>('desk', 'list'))[0]?.report?.relayed ?? 0) >= 1;
  await eventually(relayed, 'the desk tells that it relayed');
});

test('a desk elsewhere is named and not laid out, and where there is to be none, the authority has the port', async () => {
  const at = async (place: string) => {
    const directory = join(home, `desk-${place.replaceAll('.', '-')}`);
    await succeeded('portcullis', 'init', directory, '--base-port', '9000', '--desk', place);
    assert.equal(existsSync(join(directory, 'desk.yaml')) || existsSync(join(directory, 'desk')), false);
    return readFileSync(join(directory, 'fleet.yaml'), 'utf8');
  };
  const [elsewhere, none] = [await at('desk.example.org'), await at('none')];
  assert.match(elsewhere, /^enrolmentUrl: https:\/\/localhost:9008\ndeskUrl: https:\/\/desk\.example\.org:9001$/m);
  assert.match(none, /^enrolmentUrl: https:\/\/localhost:9001$/m);
  assert.doesNotMatch(none, /desk/);
  const wrong = await finished('portcullis', 'init', join(home, 'x'), '--desk', 'a b');
  assert.deepEqual([wrong.status, /--desk a b is no place/.test(wrong.error)], [2, true], wrong.error);
});
