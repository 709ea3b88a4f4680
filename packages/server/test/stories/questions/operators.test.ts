/** Who may only look; and what two gates say of one device. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import type { VerdictView } from '@portcullis/contract';
import { type Finished, finished, Running, succeeded } from '../../../../../tools/commands.ts';
import { House, post, readingsUrl } from '../../house.ts';

const run = promisify(execFile);
let house: House;
let gateTwo: Running;
let viewer = '';

const asViewer = (...words: string[]): Promise<Finished> => finished('portcullis', ...words, '--fleet', viewer);

before(async () => {
  house = await House.open();
  const token = await succeeded('portcullis', 'token', 'create', 'gate-2', '--kind', 'gate', '--fleet', house.fleet);
  const directory = join(house.home, 'gate-2');
  const port = String(house.basePort + 6);
  await succeeded('portcullis', 'gate', 'join', directory, token, '--port', port, '--fleet', house.fleet);
  gateTwo = new Running('portcullis', 'start', 'gate', directory);
  await gateTwo.line(/^gate listening/, 60_000);
  const { status, out } = await house.portcullis('operator', 'add', 'viewer', '--read-only');
  assert.equal(status, 0);
  assert.match(out, /viewer is a read-only operator until /);
  viewer = join(house.fleet, 'operators', 'viewer');
});
after(async () => {
  await gateTwo?.stop();
  await house?.close();
});

const explained = async (subject: string) =>
  house.json<VerdictView & { changeReason: string | null }>('explain', subject);

test('explain tells the reason that the operator gave, and gates that say the same share a line', async () => {
  await house.device('truck-17');
  await house.change('attribute', 'set', 'truck-17', 'status=off', '--reason', 'stolen in Hamburg');
  const verdicts = await explained('truck-17');
  const told = verdicts.map(({ gate, verdict, changeReason }) => [gate, verdict, changeReason]);
  const refused = ['refused', 'stolen in Hamburg'];
  assert.deepEqual(told.toSorted(), [
    ['gate-1', ...refused],
    ['gate-2', ...refused],
  ]);
  const { out } = await house.portcullis('explain', 'truck-17');
  const lines = out.trim().split('\n').slice(1);
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /gate-1, gate-2 .*refused .*by operator-1\): stolen in Hamburg$/);
});

test('where two gates differ, each speaks for itself; a stream that none has is an error', async () => {
  const file = join(house.home, 'gate-2', 'gate.yaml');
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.replace('expect: { status: active }', 'expect: { status: "off" }'));
  await gateTwo.stop();
  gateTwo = new Running('portcullis', 'start', 'gate', join(house.home, 'gate-2'));
  await gateTwo.line(/^gate listening/, 60_000);
  const verdicts = (await explained('truck-17')).map(({ gate, verdict }) => `${gate} ${verdict}`);
  assert.deepEqual(verdicts.toSorted(), ['gate-1 refused', 'gate-2 admitted']);
  const { status, error } = await house.portcullis('explain', 'truck-17', '--stream', 'nosuch');
  assert.equal(status, 1);
  assert.match(error, /has no stream "nosuch"/);
});

const looks: string[][] = [
  ['subject', 'list'],
  ['certificate', 'list', '--standing', 'valid'],
  ['attribute', 'history', 'truck-17'],
  ['token', 'list'],
  ['gate', 'list'],
  ['journal', 'show'],
  ['explain', 'truck-17'],
  ['readings'],
];
for (const words of looks) {
  test(`a read-only operator may look: ${words.join(' ')}`, async () => {
    const { status, error } = await asViewer(...words);
    assert.equal(status, 0, error);
  });
}

const changes: string[][] = [
  ['attribute', 'set', 'truck-17', 'status=active'],
  ['certificate', 'revoke', 'truck-17'],
  ['subject', 'retire', 'truck-17'],
  ['token', 'create', 'thief'],
  ['operator', 'add', 'thief'],
  ['operator', 'add', 'viewer'],
];
for (const words of changes) {
  test(`P9: a read-only operator changes nothing: ${words.join(' ')}`, async () => {
    const { status, out } = await asViewer(...words, '--json');
    assert.equal(status, 1);
    const { error, message } = JSON.parse(out) as { error: string; message: string };
    assert.equal(error, 'kind_not_allowed', message);
  });
}

test('what a read-only operator is, no later command makes more of', async () => {
  const { status, error } = await house.portcullis('operator', 'add', 'viewer');
  assert.equal(status, 1);
  assert.match(error, /"viewer" is a read-only operator, not the operator that was asked for; it stays so for life/);
});

test('its certificate is no ticket for a stream of devices', async () => {
  const pem = join(house.home, 'viewer-pem');
  await succeeded('portcullis', 'operator', 'export', pem, '--fleet', viewer);
  const read = (name: string) => readFileSync(join(pem, name), 'utf8');
  const { status, body } = await post(
    readingsUrl(house),
    { key: read('key.pem'), cert: read('cert.pem'), ca: read('root.pem') },
    '{}',
  );
  assert.deepEqual([status, JSON.parse(body).reason], [403, 'kind_not_admitted']);
});

test('the exported files are those that curl takes, and the key is for its owner alone', async () => {
  const pem = join(house.home, 'operator-pem');
  const [exported] = await house.json<{ authority: string; files: string[] }>('operator', 'export', pem);
  assert.deepEqual(
    exported?.files,
    ['cert.pem', 'key.pem', 'root.pem'].map((name) => join(pem, name)),
  );
  assert.equal(statSync(join(pem, 'key.pem')).mode & 0o777, 0o600);
  const files = ['--cert', join(pem, 'cert.pem'), '--key', join(pem, 'key.pem'), '--cacert', join(pem, 'root.pem')];
  const { stdout } = await run('curl', [
    '--fail',
    '--silent',
    '--capath',
    '/nonexistent',
    ...files,
    `${exported?.authority}/v1/fleet`,
  ]);
  assert.equal(typeof JSON.parse(stdout).revision, 'number');
});
