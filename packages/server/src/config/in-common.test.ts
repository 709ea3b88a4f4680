import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FilesInCommon, loadFleetConfig } from './config.ts';

const machine = (name: string, port: number) => `fleet: fleet-1
hosts: [${name}]
listen: {apiPort: ${port}}
authorityUrl: https://${name}:${port}
enrolmentUrl: https://${name}:${port}
store: postgres://ca@${name}/fleet
log: ${port === 1 ? 'info' : 'debug'}
`;

function place(context: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-config-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  for (const folder of ['rules', 'journeys']) mkdirSync(join(directory, folder));
  const write = (name: string, text: string) => writeFileSync(join(directory, name), text);
  const read = (text: string, name = 'a.example.org', port = 1) => {
    write('fleet.yaml', machine(name, port) + text);
    return new FilesInCommon(directory, loadFleetConfig(directory)).read();
  };
  return { directory, write, read };
}

test("what is a machine's own does not count, nor how the rest is written, nor what is said that is so anyway", (context) => {
  const { read } = place(context);
  const known = read('leaseMs: 4000\nprofiles: {device: {renewableDays: 3, keys: p-256}}\n');
  assert.deepEqual(Object.keys(known), ['fleet.yaml fleet', 'fleet.yaml leaseMs', 'fleet.yaml profiles']);
  const same = read(
    '# Ours.\nprofiles:\n  device:\n    keys: p-256\n    renewableDays: 3\nleaseMs: 4000\npatienceMs: 1000\nissuers: {perCertificates: 100000}\n',
    'b.example.org',
    2,
  );
  assert.deepEqual(same, known);
});

const signals = (file: string, value: string) =>
  `signals: {plant: {bearer: ${file}, format: json, may: {attributes: {ca: [${value}]}}, reactions: []}}\n`;
const alerts = (ca: string, program: string, missing: string) =>
  `alerts: {missing: ${missing}, targets: {mine: {webhook: 'https://example.org', secrets: [${ca}], ca: ${ca}}, other: {command: [${program}, --now]}}}\n`;

test('files are left out by their names, and nothing else of what names them is', (context) => {
  const { read } = place(context);
  const one = read(signals('a.token', 'x') + alerts('a.pem', '/bin/tell', '15m'));
  assert.deepEqual(read(signals('b.token', 'x') + alerts('b.pem', '/opt/tell', '15m')), one);
  const other = read(signals('a.token', 'y') + alerts('a.pem', '/bin/tell', '20m'));
  for (const key of ['fleet.yaml signals', 'fleet.yaml alerts']) assert.notEqual(other[key], one[key]);
});

test('each file of rules and journeys counts by what it says, as it is when it is asked', (context) => {
  const { directory, write, read } = place(context);
  read('');
  const files = new FilesInCommon(directory, loadFleetConfig(directory));
  write('rules/cold.yaml', 'rule: cold\nfor: 10m\n');
  write('journeys/export.yaml', 'journey: export\n');
  write('rules/.hidden.yaml', 'rule: hidden\n');
  const before = files.read();
  assert.deepEqual(Object.keys(before), ['fleet.yaml fleet', 'rules/cold.yaml', 'journeys/export.yaml']);
  write('rules/cold.yaml', '# Another word.\nfor: 10m\nrule: cold\n');
  assert.deepEqual(files.read(), before);
  write('rules/cold.yaml', 'rule: cold\nfor: 11m\n');
  assert.notEqual(files.read()['rules/cold.yaml'], before['rules/cold.yaml']);
  write('rules/cold.yaml', 'rule: [');
  assert.throws(() => files.read(), { code: 'config_invalid', message: /cold\.yaml/ });
});
