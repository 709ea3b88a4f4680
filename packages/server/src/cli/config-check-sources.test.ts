/** `config check` of the sources of signals: what proves them. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { Command } from 'commander';
import { configCommands } from './config-check.ts';
import { Output } from './output.ts';

const fleetYaml = (host: string, sources: string) => `fleet: f
hosts: [localhost]
listen: { host: "${host}" }
authorityUrl: https://localhost:8440
enrolmentUrl: https://localhost:8441
signals: ${sources}
`;
const key = `whsec_${Buffer.alloc(32, 7).toString('base64')}\n`;
const may = 'may: { standings: [suspend] }, reactions: []';

async function checkFleet(
  context: TestContext,
  sources: string,
  { host = '127.0.0.1', secret = key, mode = 0o600 } = {},
) {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-check-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, 'fleet.yaml'), fleetYaml(host, sources));
  writeFileSync(join(directory, 'door.key'), secret, { mode });
  const out = new PassThrough({ encoding: 'utf8' });
  const program = new Command();
  configCommands(program, new Output(out, new PassThrough(), { json: false }));
  await program.parseAsync(['config', 'check', directory], { from: 'user' });
  return String(out.read() ?? '');
}

test('the files with what proves a source are read, and named', async (context) => {
  const said = await checkFleet(context, `{ door: { hmac: door.key, format: json, ${may} } }`);
  assert.equal(said, 'fleet.yaml and door.key: valid\n');
  const named = `{ door: { hmac: door.key, format: json, from: [192.0.2.0/24], ${may} } }`;
  assert.equal(await checkFleet(context, named, { host: '0.0.0.0' }), 'fleet.yaml and door.key: valid\n');
});

const refusedSources: [what: string, sources: string, RegExp, Parameters<typeof checkFleet>[2]?][] = [
  [
    'nothing that proves it',
    `{ door: { format: json, ${may} } }`,
    /must have one of "certificate", "hmac" and "bearer"/,
  ],
  ['two things', `{ door: { hmac: door.key, bearer: x, format: json, ${may} } }`, /must have one of "certificate"/],
  [
    'a signature over what is never signed',
    `{ door: { hmac: door.key, format: alertmanager, ${may} } }`,
    /cloudevents or json/,
  ],
  [
    'addresses beside a certificate',
    `{ a: { certificate: m, format: json, from: [192.0.2.7], ${may} } }`,
    /"from" is for/,
  ],
  [
    'no addresses on a network',
    `{ door: { hmac: door.key, format: json, ${may} } }`,
    /"signals.door" must name the addresses in "from"/,
    { host: '0.0.0.0' },
  ],
  [
    'an address that is none',
    `{ door: { hmac: door.key, format: json, from: [here], ${may} } }`,
    /must be an address, or a network/,
  ],
  [
    'a file that is not there',
    `{ door: { hmac: other.key, format: json, ${may} } }`,
    /other\.key: it can not be read \(ENOENT\)/,
  ],
  [
    'a file that others read',
    `{ door: { hmac: door.key, format: json, ${may} } }`,
    /door\.key: has mode 644; it must be 600/,
    { mode: 0o644 },
  ],
  [
    'a file without a key',
    `{ door: { hmac: door.key, format: json, ${may} } }`,
    /door\.key:1: must be "whsec_"/,
    { secret: 'x' },
  ],
];
for (const [what, sources, message, more] of refusedSources) {
  test(`a source with ${what} is refused`, async (context) => {
    await assert.rejects(checkFleet(context, sources, more), { code: 'config_invalid', message });
  });
}
