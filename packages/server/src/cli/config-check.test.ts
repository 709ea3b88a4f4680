import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { Command } from 'commander';
import { configCommands } from './config-check.ts';
import { Output } from './output.ts';

const gateYaml = `authority: https://localhost:8440
url: https://localhost:8443
listen: { port: 8443 }
streams: { cold: { schema: cold.json, expectedFrom: values/../e.ndjson }, warm: { schema: cold.json } }
`;

interface Given {
  json?: boolean;
  mode?: number;
  yaml?: string;
  fleet?: string;
  rule?: string;
}

async function check(context: TestContext, { json = false, mode = 0o600, yaml = gateYaml, fleet, rule }: Given = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-check-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, 'gate.yaml'), yaml);
  if (fleet !== undefined) writeFileSync(join(directory, 'fleet.yaml'), fleet);
  if (rule !== undefined) {
    mkdirSync(join(directory, 'rules'));
    writeFileSync(join(directory, 'rules', 'cold.yaml'), rule);
  }
  writeFileSync(join(directory, 'cold.json'), '{}');
  writeFileSync(join(directory, 'e.ndjson'), '{"subject":"truck-17","seal":"9f3c"}\n');
  chmodSync(join(directory, 'e.ndjson'), mode);
  const [out, side] = [new PassThrough({ encoding: 'utf8' }), new PassThrough({ encoding: 'utf8' })];
  const program = new Command();
  configCommands(program, new Output(out, side, { json }));
  await program.parseAsync(['config', 'check', directory], { from: 'user' });
  return { out: String(out.read() ?? ''), side: String(side.read() ?? '') };
}

test('all files that were read are named', async (context) => {
  const { out, side } = await check(context);
  assert.deepEqual([out, side], ['gate.yaml, cold.json and e.ndjson: valid\n', '']);
});

test('and in JSON, with what should be otherwise', async (context) => {
  const { out, side } = await check(context, { json: true, mode: 0o644 });
  const { valid, files, warnings } = JSON.parse(out);
  assert.deepEqual([valid, files, warnings.length], [true, ['gate.yaml', 'cold.json', 'e.ndjson'], 1]);
  assert.match(side, /^warning: .*e\.ndjson: group or others may read what is expected/);
});

const refused: [string, RegExp][] = [
  ["{ when: 'reading.t + 1 < 60' }", /stream "cold": when: "reading\.t \+ 1" can never be evaluated/],
  ["{ when: 'reading.n < 9007199254740993' }", /stream "cold": when: the number 9007199254740993/],
  ['{ expect: { __proto__: off, site: kiel } }', /gate\.yaml:4: key "__proto__" is reserved/],
  ['{ expect: { iccid: 8944501234567890123 } }', /gate\.yaml:4: the number 8944501234567890123 .*write it as a string/],
];
for (const [stream, message] of refused) {
  test(`a stream ${stream} is refused`, async (context) => {
    const yaml = gateYaml.replace(/^streams: .*$/m, `streams: { cold: ${stream} }`);
    await assert.rejects(check(context, { yaml }), { code: 'config_invalid', message });
  });
}

const fleetYaml = (proof: string) => `fleet: fleet-1
hosts: [localhost]
authorityUrl: https://localhost:8440
enrolmentUrl: https://localhost:8441
listen: {}
signals:
  plant:
    certificate: alertmanager-1
    format: alertmanager
    may: { attributes: { status: [quarantined] } }
    reactions:
      - { on: 'true', subject: alert.labels.device, hold: { status: quarantined }, until: resolved, proof: ${proof} }
`;
const warm =
  'streams: { warm: { expect: { status: { in: [active, quarantined] } } }, cold: { expect: { status: active } } }';
const proofs: [string, RegExp][] = [
  [
    "{ stream: cold, inside: 'reading.t < 8.0' }",
    /proof: the stream "cold" expects status to be "active", and does not admit "quarantined"/,
  ],
  ["{ stream: hot, inside: 'reading.t < 8.0' }", /proof: gate\.yaml has no stream "hot"/],
  ["{ stream: warm, inside: 'reading.t + 1 < 8.0' }", /proof\.inside: .*can never be evaluated/],
];
for (const [proof, message] of proofs) {
  test(`a proof ${proof} is refused: nobody could ever give it`, async (context) => {
    const yaml = gateYaml.replace(/^streams: .*$/m, warm);
    await assert.rejects(check(context, { yaml, fleet: fleetYaml(proof) }), { code: 'config_invalid', message });
  });
}

test('a proof on a stream that admits whoever is held is taken', async (context) => {
  const yaml = gateYaml.replace(/^streams: .*$/m, warm);
  const { out } = await check(context, { yaml, fleet: fleetYaml("{ stream: warm, inside: 'reading.t < 8.0' }") });
  assert.match(out, /^fleet\.yaml and gate\.yaml: valid/);
});

test('a policy that can not be one is refused by its line', async (context) => {
  const fleet = fleetYaml('').replace(/^signals:[\s\S]*$/m, '');
  const profiles = (policy: string) => `${fleet}profiles:\n  device:\n    policy: ${policy}\n`;
  await check(context, { fleet: profiles('request.est && request.key == "p-256"') });
  const message = /fleet\.yaml:8: "profiles\.device\.policy": .*a request has \[way, key, est, names, validSeconds\]/;
  await assert.rejects(check(context, { fleet: profiles('request.kye == "p-256"') }), {
    code: 'config_invalid',
    message,
  });
});

const plainFleet = `fleet: fleet-1
hosts: [localhost]
authorityUrl: https://localhost:8440
enrolmentUrl: https://localhost:8441
listen: {}
`;

test('what keys of ML-DSA cost is told, and nothing of P-256', async (context) => {
  const told = async (keys: string) =>
    (await check(context, { fleet: `${plainFleet}profiles: { device: { keys: ${keys} } }\n` })).side;
  assert.match(await told('ml-dsa-65'), /^warning: devices have keys of ml-dsa-65: each handshake .* 32 kB/);
  assert.match(await told('[ml-dsa-44, p-256]'), /24 kB/);
  assert.equal(await told('p-256'), '');
});

const ruleYaml = `rule: cold-chain
streams: [cold]
outside: reading.t > 8.0
silent: 10m
during: { from: pickup, until: delivered }
`;

test('rules are checked too; steps that no journey has are said, for such a rule is never in force', async (context) => {
  const fleet = fleetYaml('').replace(/^signals:[\s\S]*$/m, '');
  const { out, side } = await check(context, { fleet, rule: ruleYaml });
  assert.match(out, /rules\/cold\.yaml/);
  assert.equal(
    side,
    ['pickup', 'delivered']
      .map((step) => `warning: rule "cold-chain": no journey has the step "${step}" that "during" names\n`)
      .join(''),
  );
  const rule = ruleYaml.replace('> 8.0', '> "a" +');
  await assert.rejects(check(context, { fleet, rule }), { message: /rules\/cold\.yaml:3: "outside"/ });
});
