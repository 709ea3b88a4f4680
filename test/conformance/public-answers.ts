/** The few lines of docs/concepts/public-answers.md, each on its own: a desk's answers are taken, and what was altered is not. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { enrol } from '@portcullis/device';
import { finished } from '../../tools/commands.ts';
import { programOf } from '../../tools/page-programs.ts';
import { patienceMs } from '../patience.ts';
import { textOf } from '../tree.ts';
import { type House, openHouse, skippedWithout } from './house.ts';

const page = textOf('docs/concepts/public-answers.md');
const python = '/usr/bin/python3';
const works = (...words: string[]) => spawnSync(words[0] as string, words.slice(1)).status === 0;
const present = works(python, '-c', 'import cryptography') && works('openssl', 'version');
const skip = skippedWithout(present, 'Python 3 with cryptography (Debian: python3-cryptography) and openssl');

interface Checker {
  name: string;
  /** What is asked for, and the name that it is kept under. */
  kept: 'answer.json' | 'answer.p7s';
  command: readonly string[];
}

const checkers: Checker[] = [
  { name: 'check.sh', kept: 'answer.p7s', command: ['sh'] },
  { name: 'check.mjs', kept: 'answer.json', command: [process.execPath] },
  { name: 'check.py', kept: 'answer.json', command: [python] },
];

let house: House;
const file = (name: string) => join(house.directory, name);

const ask = (path: string) =>
  new Promise<{ status: number; body: Buffer }>((resolve, reject) => {
    const ca = readFileSync(file('fleet/root.pem'));
    get(`https://localhost:${house.basePort + 2}${path}`, { ca, agent: false }, (answer) => {
      const pieces: Buffer[] = [];
      answer.on('data', (piece: Buffer) => pieces.push(piece));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(pieces) }));
    }).on('error', reject);
  });

before(async () => {
  if (skip) return;
  house = await openHouse();
  const token = await house.portcullis('token', 'create', 'box-1', '--kind', 'shipment');
  await enrol({ token: token.trim(), directory: file('box-1') });
  await house.portcullis('attribute', 'set', 'box-1', 'note=a "exp":99999999999, \\ state', '--public');
  const code = (await house.portcullis('shipment', 'code', 'rotate', 'box-1')).trim();
  const end = performance.now() + patienceMs;
  const note = '"note"';
  for (let told = ''; !told.includes(note); ) {
    assert.ok(performance.now() < end, 'the desk was told');
    await new Promise((resolve) => setTimeout(resolve, 50));
    told = (await ask(`/v1/public/${code}`)).body.toString();
  }
  writeFileSync(file('answer.json'), (await ask(`/v1/public/${code}`)).body);
  writeFileSync(file('answer.p7s'), (await ask(`/v1/public/${code}.p7s`)).body);
  for (const { name } of checkers) writeFileSync(file(name), programOf(page, name));
});
after(() => house?.[Symbol.asyncDispose]());

function check({ command, name }: Checker, kept: string, root = 'fleet/root.pem') {
  const [program, ...words] = [...command, file(name), file(kept), file(root)];
  const { status, stdout, stderr } = spawnSync(program as string, words, { cwd: house.directory, encoding: 'utf8' });
  return { status, out: stdout, error: stderr };
}

/** Another shipment, in the payload that was signed. */
function altered({ kept }: Checker): Buffer {
  const whole = readFileSync(file(kept));
  if (kept === 'answer.p7s') {
    whole.write('box-2', whole.indexOf('"box-1"') + 1);
    return whole;
  }
  const { jws } = JSON.parse(whole.toString()) as { jws: string };
  const [head, body = '', signature] = jws.split('.');
  const payload = Buffer.from(Buffer.from(body, 'base64url').toString().replace('box-1', 'box-2')).toString(
    'base64url',
  );
  return Buffer.from(JSON.stringify({ jws: `${head}.${payload}.${signature}` }));
}

for (const checker of checkers) {
  test(`${checker.name} takes what the desk signed, and says of whom it is and how it stands`, { skip }, () => {
    const { status, out, error } = check(checker, checker.kept);
    assert.equal(status, 0, out + error);
    assert.equal(out.trim(), 'box-1 known');
  });

  test(`${checker.name} takes nothing that was altered, and nothing by another root`, { skip }, () => {
    writeFileSync(file(`altered-${checker.kept}`), altered(checker));
    const { status, out, error } = check(checker, `altered-${checker.kept}`);
    assert.equal(status, 1, out + error);
    const issuer = /-----BEGIN[\s\S]*?END CERTIFICATE-----/.exec(
      readFileSync(file('box-1/credential.json'), 'utf8').replaceAll('\\n', '\n'),
    );
    writeFileSync(file('another.pem'), new X509Certificate(issuer?.[0] ?? '').toString());
    assert.equal(check(checker, checker.kept, 'another.pem').status, 1);
  });
}

test('portcullis-device takes it too, and nothing that was altered', { skip }, async () => {
  const root = ['--root', file('fleet/root.pem')];
  const { status, out } = await finished('portcullis-device', 'verify', file('answer.json'), ...root);
  assert.equal(status, 0, out);
  assert.match(out, /^box-1 of .*: known as of /);
  assert.equal((await finished('portcullis-device', 'verify', file('altered-answer.json'), ...root)).status, 1);
});
