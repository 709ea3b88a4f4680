import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadFleetConfig } from './config.ts';

const fleet = `fleet: fleet-1
hosts: [localhost]
listen: {}
authorityUrl: https://localhost:8440
enrolmentUrl: https://localhost:8441
`;

function load(context: TestContext, profiles: string) {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-config-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, 'fleet.yaml'), `${fleet}profiles: ${profiles}\n`);
  return loadFleetConfig(directory).profiles;
}

test('a kind has one kind of key, or several', (context) => {
  const profiles = load(context, '{device: {keys: ml-dsa-44}, gate: {keys: [ml-dsa-65, p-256]}}');
  assert.deepEqual(profiles, { device: { keys: ['ml-dsa-44'] }, gate: { keys: ['ml-dsa-65', 'p-256'] } });
});

test('a kind says for how long after its end a certificate renews, with or without keys', (context) => {
  assert.deepEqual(load(context, '{device: {renewableDays: 400}, operator: {keys: p-256, renewableDays: 0}}'), {
    device: { renewableDays: 400 },
    operator: { keys: ['p-256'], renewableDays: 0 },
  });
});

for (const [what, text, words] of [
  [
    'a key that there is not',
    '{device: {keys: rsa}}',
    /"profiles.device.keys": must be one or more of \[p-256, ml-dsa-44/,
  ],
  ['a time that is over', '{device: {renewableDays: -1}}', /"profiles.device.renewableDays": /],
  ['a time of more than ten years', '{device: {renewableDays: 3651}}', /"profiles.device.renewableDays": /],
  ['no key', '{device: {keys: []}}', /must be one or more of/],
  ['one twice', '{device: {keys: [p-256, p-256]}}', /names one twice/],
  ['a kind that there is not', '{devise: {keys: p-256}}', /"profiles.devise" is unknown; did you mean "device"\?/],
  [
    'keys of a checkpoint, whose page knows one',
    '{checkpoint: {keys: ml-dsa-44}}',
    /:\d+: "profiles.checkpoint.keys": .*p-256 alone/,
  ],
  ['a policy of the authority', '{authority: {policy: "true"}}', /:\d+: "profiles.authority.policy": .* asks nobody/],
] as const) {
  test(`"profiles" of fleet.yaml is refused with ${what}`, (context) => {
    assert.throws(() => load(context, text), { code: 'config_invalid', message: words });
  });
}
