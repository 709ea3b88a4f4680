/** A fleet of real processes goes from one issuer, and one root, to the next, with a device that sleeps through it and one that never wakes. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { PortcullisError, type RolloversView, type RolloverView } from '@portcullis/contract';
import {
  type Credential,
  confirm,
  credentialFileIn,
  enrol,
  readCredential,
  renew,
  writeCredential,
} from '@portcullis/device';
import { eventually, post } from '../../packages/server/test/house.ts';
import { Operator } from '../../packages/server/test/operator.ts';
import { finished, freeBasePort, Running, succeeded } from '../../tools/commands.ts';
import { skippedWithout } from './house.ts';

const skip = skippedWithout(spawnSync('openssl', ['version']).error === undefined, 'openssl');
const home = mkdtempSync(join(tmpdir(), 'portcullis-rollover-'));
const fleet = join(home, 'fleet');
const startMs = 60_000;
let basePort = 0;
let up: Running;

const portcullis = (...words: string[]) => succeeded('portcullis', ...words, '--fleet', fleet);
const json = async <Value>(...words: string[]) => JSON.parse(await portcullis(...words, '--json')) as Value;
async function status(): Promise<RolloversView> {
  const operator = new Operator(fleet);
  return operator.rollovers().finally(() => operator.close());
}
const lacking = async () =>
  ((await status()).items[0] as RolloverView).lacking.named.map(({ subject }): string => subject);
const refusal = async (...words: string[]) => {
  const ended = await finished('portcullis', ...words, '--fleet', fleet);
  assert.equal(ended.status, 1, ended.out);
  return ended.error;
};

async function start(): Promise<void> {
  up = new Running('portcullis', 'up', fleet);
  await Promise.all(['authority', 'gate', 'desk'].map((role) => up.line(new RegExp(`^${role} listening`), startMs)));
}

const at = (device: string) => join(home, device);
const held = (device: string) => readCredential(credentialFileIn(at(device)));

/** A desk that has just gone below another issuer may be without the authority for a moment: then a device asks again. */
async function renewed(device: string): Promise<Credential> {
  const directory = at(device);
  for (let tries = 1; ; tries++) {
    try {
      const known = held(device);
      const credential = known.unconfirmed ? known : await renew({ credential: known, directory });
      return await confirm({ credential, directory });
    } catch (error) {
      if (tries === 20 || !(error instanceof PortcullisError && error.code === 'authority_unreachable')) throw error;
      await pause(500);
    }
  }
}

/** One reading, by what this credential trusts and shows. */
async function sends({ key, certificate, issuer, roots }: Credential): Promise<number> {
  const url = `https://localhost:${basePort + 3}/v1/streams/telemetry/readings`;
  let answer = 503;
  // A gate that connects anew holds no lease for a moment.
  await eventually(async () => {
    answer = (await post(url, { key, cert: certificate + issuer, ca: roots }, '{"temperature":4}')).status;
    return answer !== 503;
  }, 'the gate decides');
  return answer;
}

function openssl(...words: string[]): string {
  const { stdout, stderr } = spawnSync('openssl', words, { encoding: 'utf8', timeout: 60_000 });
  return `${stdout}${stderr}`;
}

const nameOf = (pem: string) => openssl('x509', '-noout', '-subject', '-in', put('one.pem', pem)).trim();
function put(name: string, text: string): string {
  const file = join(home, name);
  writeFileSync(file, text);
  return file;
}

/** What a desk answers of this certificate, by OCSP. */
function standing({ certificate, issuer, roots }: Credential): string {
  const files = ['-issuer', put('issuer.pem', issuer), '-cert', put('leaf.pem', certificate)];
  const url = ['-url', `http://localhost:${basePort + 9}/ocsp`, '-CAfile', put('roots.pem', roots)];
  return openssl('ocsp', ...files, ...url);
}

before(async () => {
  if (skip !== false) return;
  basePort = await freeBasePort();
  await succeeded('portcullis', 'init', fleet, '--base-port', String(basePort), '--public-name', 'localhost');
  await start();
  for (const device of ['awake', 'asleep', 'gone']) {
    const token = await portcullis('token', 'create', device);
    await enrol({ token: token.trim(), directory: at(device) });
  }
});
after(async () => {
  await up?.stop();
  rmSync(home, { recursive: true, force: true });
});

test('an issuer is followed by another: gates and desks have it in seconds, and what it signs is admitted, listed and answered for', {
  skip,
}, async () => {
  await portcullis('rollover', 'start', 'device', '--reason', 'a rehearsal');
  await eventually(async () => (await lacking()).length === 0, 'gate and desk hold the bundle');
  await portcullis('rollover', 'advance');
  await portcullis('rollover', 'advance');
  const next = await renewed('awake');
  assert.match(nameOf(next.issuer), /device-2 issuer/);
  assert.equal(await sends(next), 202);
  assert.equal(await sends({ ...next, issuer: '' }), 202, 'a leaf alone is enough');
  assert.equal(await sends(held('asleep')), 202);
  await eventually(() => /leaf\.pem: good/.test(standing(next)), 'the desk answers in the name of the new issuer');
  assert.match(standing(next), /Response verify OK/);
  await eventually(async () => {
    const { status: found } = await fetch(`http://localhost:${basePort + 9}/crl/issuer-device-2.crl`);
    return found === 200;
  }, 'a desk has the list of the new issuer');
  const why = await refusal('rollover', 'retire');
  assert.match(why, /2 have certificates of what would go: (asleep, gone|gone, asleep); .*\(rollover_loses\)/);
  const { lost } = await json<{ lost: string[] }>('rollover', 'retire', '--force');
  assert.deepEqual(lost.toSorted(), ['went on without asleep', 'went on without gone']);
  assert.equal(await sends(held('asleep')), 202, 'it shows its issuer, below a root that is trusted');
});

test('the root is followed by another: who has the old bundle alone goes on until the old root is retired, and is told apart by name', {
  skip,
}, async () => {
  await portcullis('rollover', 'start', 'root');
  await eventually(async () => !(await lacking()).some((one) => /^(gate|desk)-1$/.test(one)), 'gate and desk hold it');
  assert.deepEqual((await lacking()).toSorted(), ['asleep', 'awake', 'gone', 'operator-1']);
  assert.match(await refusal('rollover', 'advance'), /4 do not hold version \d of the bundle/);
  await portcullis('rollover', 'advance', '--force');
  await portcullis('rollover', 'advance');

  // Those who slept through it, with what they had before, at a gate and a desk that are below the old root still.
  for (const device of ['awake', 'asleep', 'gone']) assert.equal(await sends(held(device)), 202, device);
  const next = await renewed('asleep');
  assert.match(nameOf(next.issuer), /device-3 issuer/);
  assert.equal(await sends(next), 202);
  assert.equal(await sends({ ...next, issuer: '' }), 202, 'a leaf alone is enough');

  // Months later: what processes and people hold is due.
  await up.stop();
  for (const file of [credentialFileIn(join(fleet, 'gate')), credentialFileIn(join(fleet, 'desk'))]) {
    writeCredential(file, { ...readCredential(file), renewAfter: '2020-01-01T00:00:00.000Z' });
  }
  await start();
  await eventually(async () => (await sends(held('asleep'))) === 202, 'the gate takes readings again');
  const below = async () =>
    ((await status()).items[0] as RolloverView).below.named.map(({ subject }): string => subject);
  await eventually(
    async () => !(await below()).some((one) => /^(gate|desk)-1$/.test(one)),
    'gate and desk have renewed',
  );
  const why = await refusal('rollover', 'retire');
  assert.match(why, /"operator-1" would be lost itself/);
  assert.match(await portcullis('operator', 'renew'), /with version \d of the bundle/);
  assert.match(await refusal('rollover', 'retire'), /certificates of what would go/);
  for (const one of ['awake', 'gone']) assert.ok((await below()).includes(one), one);
});

test('when the old root is retired those who hold both go on, and who never woke is refused by itself', {
  skip,
}, async () => {
  const [knowing, unknowing] = [held('asleep'), held('gone')];
  await portcullis('rollover', 'retire', '--force');
  await eventually(async () => ((await status()).items[0] as RolloverView).phase === 'retired', 'the old root is gone');
  await eventually(async () => (await sends(knowing)) === 202, 'who holds both roots is served');
  await assert.rejects(sends(unknowing), /self-signed certificate in certificate chain|unable to (get|verify)/);
  await assert.rejects(renewed('gone'), { code: 'server_not_verified' });
  const onlyNew = knowing.roots.split(/(?<=-----END CERTIFICATE-----\n)/).at(-1) as string;
  assert.equal(await sends({ ...knowing, roots: onlyNew }), 202, 'the gate is below the new root alone');

  // The way back of who was lost.
  const token = await portcullis('token', 'create', 'gone');
  rmSync(at('gone'), { recursive: true });
  // The desk's connection to the authority is made anew in these moments: whoever is told to tries again.
  const enrolled = () => enrol({ token: token.trim(), directory: at('gone') });
  const again = (error: unknown) => {
    if (error instanceof PortcullisError && error.code === 'authority_unreachable') return false;
    throw error;
  };
  await eventually(() => enrolled().then(() => true, again), 'it enrols again');
  assert.equal(await sends(held('gone')), 202);
});
