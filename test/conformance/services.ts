/** The systemd units: what systemd-analyze says of them, and that the command of each does its work in the directories of the page. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { freshSchema, skip as withoutPostgres } from '../../packages/server/test/postgres.ts';
import { freeBasePort, type Program, Running, succeeded } from '../../tools/commands.ts';
import { root, textOf } from '../tree.ts';
import { skippedWithout } from './house.ts';

const folder = 'packaging/systemd';
const units = readdirSync(join(root, folder));
const work = mkdtempSync(join(tmpdir(), 'portcullis-services-'));
after(() => rmSync(work, { recursive: true, force: true }));

const present = spawnSync('systemd-analyze', ['--version']).status === 0;
const skip = skippedWithout(present, 'systemd-analyze');
/** Tenths: 2.0 of 10. */
const exposureMax = '20';

/** The command of a unit, in words. */
function commandOf(unit: string): string[] {
  const line = /^ExecStart=(.*)$/m.exec(textOf(`${folder}/${unit}`))?.[1] ?? '';
  return line.split(' ');
}

/** As it is, but that its program is one that this machine has. */
function unitFile(unit: string, change = (text: string) => text): string {
  const file = join(work, unit);
  writeFileSync(file, change(textOf(`${folder}/${unit}`).replace(/^ExecStart=\S+/m, 'ExecStart=/bin/true')));
  return file;
}

function verify(file: string): string {
  const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', file], { encoding: 'utf8' });
  return status === 0 ? stdout + stderr : `ended with ${status}: ${stdout}${stderr}`;
}

test('there is a unit for each that runs', () => {
  assert.deepEqual(units, [
    'portcullis-authority.service',
    'portcullis-desk.service',
    'portcullis-device.service',
    'portcullis-gate.service',
    'portcullis-standby.service',
  ]);
});

test('an authority that stands by may do what the one that leads may, and nothing else', () => {
  const service = (unit: string) => textOf(`${folder}/${unit}`).split('[Service]')[1] ?? '';
  const standby = service('portcullis-standby.service');
  assert.match(standby, /^ExecStart=.* --standby$/m);
  assert.equal(standby.replace(' --standby', ''), service('portcullis-authority.service'));
});

for (const unit of units) {
  test(`${unit} is understood by systemd to its last line`, { skip }, () => {
    assert.equal(verify(unitFile(unit)), '');
  });

  test(`${unit} leaves little to whoever takes its process over`, { skip }, () => {
    const words = ['security', '--offline=yes', `--threshold=${exposureMax}`, unitFile(unit)];
    const { status, stdout, stderr } = spawnSync('systemd-analyze', words, { encoding: 'utf8' });
    assert.equal(status, 0, stdout + stderr);
  });
}

test('the socket that the page names for figures lies where the unit of the gate may make it', () => {
  const [, directory] = /"unix:(\/\S+)\/[^/"]+"/.exec(textOf('docs/questions.md')) ?? [];
  const [, made] = /^RuntimeDirectory=(.*)$/m.exec(textOf(`${folder}/portcullis-gate.service`)) ?? [];
  assert.equal(directory, `/run/${made}`);
});

test('a mistyped line of a unit would have been seen', { skip }, () => {
  const file = unitFile('portcullis-gate.service', (text) => text.replace('ProtectSystem', 'ProtectSystems'));
  assert.match(verify(file), /ProtectSystems/);
});

/** Runs a unit's own command, with its directories below ours. */
function started(unit: string, below = work): Running {
  const [program = '', ...words] = commandOf(unit);
  const name = program.replace('/usr/local/bin/', '');
  assert.match(name, /^portcullis(-device)?$/);
  return new Running(name as Program, ...words.map((word) => word.replace('/var/lib', below)));
}

test('authority, gate, desk and device do their work by the commands of their units, gate and desk apart from the keys', async () => {
  const basePort = await freeBasePort();
  for (const account of ['portcullis', 'portcullis-gate', 'portcullis-desk']) mkdirSync(join(work, account));
  const [block = ''] = /(?<=```sh\n)[\s\S]*?(?=```)/.exec(textOf('docs/operating/services.md')) ?? [];
  const script = block
    .replaceAll('/var/lib', work)
    .replaceAll(/^chown .*$/gm, '')
    .replace('--host hub.example.org --host localhost', `--base-port ${basePort} --host localhost`);
  execFileSync('bash', ['-ec', script], {
    env: { ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}` },
  });
  const fleet = join(work, 'portcullis/fleet');
  for (const file of ['gate.yaml', 'desk.yaml']) assert.equal(existsSync(join(fleet, file)), false);
  const device = join(work, 'portcullis-device');
  await using running = new AsyncDisposableStack();
  const run = (unit: string) => running.adopt(started(unit), (one) => one.stop());
  await run('portcullis-authority.service').line(/^authority listening/, 60_000);
  await run('portcullis-gate.service').line(/^gate listening/, 60_000);
  await run('portcullis-desk.service').line(/^desk listening/, 60_000);
  const token = await succeeded('portcullis', 'token', 'create', 'truck-17', '--fleet', fleet);
  await succeeded('portcullis-device', 'enrol', token, '--device', device);
  writeFileSync(join(work, 'one.ndjson'), '{"as":"a service"}\n');
  await succeeded(
    'portcullis-device',
    'send',
    'telemetry',
    join(work, 'one.ndjson'),
    '--device',
    device,
    '--wait',
    '30',
  );
  await run('portcullis-device.service').line(/running as truck-17/, 60_000);
  const readings = await succeeded('portcullis', 'readings', '--json', '--fleet', fleet);
  assert.deepEqual((JSON.parse(readings) as { data: unknown }).data, { as: 'a service' });
});

/** The page's commands of a second machine, in their order, each with the program's words alone. */
const joining = textOf('docs/operating/services.md')
  .split('\n')
  .flatMap((line) => /^runuser -u portcullis -- portcullis (authority (?:join|approve) .*)$/.exec(line)?.[1] ?? []);

test('a second machine joins by the commands of the page, stands by with the unit for it, and leads when the first one is gone', {
  skip: withoutPostgres,
}, async (context) => {
  const { url } = freshSchema(context);
  const [basePort, port] = [await freeBasePort(), await freeBasePort()];
  const machines = ['first', 'second'].map((name) => join(work, name));
  const [first = '', second = ''] = machines;
  for (const machine of machines) mkdirSync(join(machine, 'portcullis'), { recursive: true });
  const fleet = join(first, 'portcullis/fleet');
  await succeeded('portcullis', 'init', fleet, '--desk', 'none', '--base-port', `${basePort}`, '--store', url);
  await using running = new AsyncDisposableStack();
  const leads = running.adopt(started('portcullis-standby.service', first), (one) => one.stop());
  await leads.line(/^authority listening/, 60_000);
  let fingerprint = '';
  const files = [second, first, second];
  assert.equal(joining.length, files.length);
  for (const [index, line] of joining.entries()) {
    const machine = files[index] as string;
    const words = line.replaceAll('/var/lib', machine).replace('FINGERPRINT', fingerprint).split(' ');
    const ports = index === 0 ? ['--api-port', `${port}`, '--enrolment-port', `${port + 1}`] : [];
    const told = await succeeded('portcullis', ...words, ...ports, '--json');
    ({ fingerprint = '' } = JSON.parse(told) as { fingerprint?: string });
    for (const name of ['request.json', 'answer.json']) {
      const [here, there] = [machine, files[index + 1] ?? machine].map((one) => join(one, 'portcullis', name)) as [
        string,
        string,
      ];
      if (existsSync(here) && here !== there) cpSync(here, there);
    }
  }
  const standsBy = running.adopt(started('portcullis-standby.service', second), (one) => one.stop());
  await standsBy.line(/stands by/, 60_000);
  await leads.stop();
  await standsBy.line(/^authority listening/, 60_000);
});
